"""Table: a table of one's own, from the columns to a model that answers what if."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mdn.data import schema
from mdn.files import replacing
from mdn_studio.messages import message
from mdn_studio.models import Loaded
from mdn_studio.page import Page
from mdn_studio.pages import table_code, table_example, table_file
from mdn_studio.pages.table_whatif import Model
from mdn_studio.refused import Refused, by_name

_ROLES = schema.mapping(schema.one_of("", *table_file.ROLES))
_CELL = schema.maybe(schema.either(schema.text, schema.number()))
_VALUES = schema.mapping(_CELL)
_ABOUT = schema.record(data=schema.text, roles=_ROLES, calibrate=schema.flag)  # what a model was made of
_EFFORT = schema.one_of(*table_code.EFFORTS)
_LINE = schema.maybe(schema.number(-1e38, 1e38))  # float32 holds it
_ENDING = ".mdn"


class _Unknown(Exception):
    """The studio does not know what a model was made of."""


class Table(Page):
    """Tables, their models, and what these answer."""

    name = "table"

    def __init__(self, studio):
        super().__init__(studio)
        self._models = Loaded()
        self._sized: set[tuple[str, int]] = set()  # tables that are not too large, with the time of their last change

    def warm(self) -> None:
        """Imports what reads tables and models."""
        import mdn_commands.predictions
        import mdn_commands.tables  # noqa: F401
        from mdn import training

        training.keep_compiled_programs()

    # ---- files ---------------------------------------------------------------------------------------------------------

    @message("files")
    async def files(self, session) -> dict:
        """The tables that were sent, and the models in the folder, the newest first; the endings of names of tables."""
        folder = self.studio.folder
        tables = folder.names(*table_file.ENDINGS, within="uploads")
        return {"tables": tables, "models": folder.names(_ENDING), "endings": table_file.ENDINGS}

    @message("example")
    async def example(self, session) -> dict:
        """Writes the table of the example among those that were sent."""
        path = self.studio.folder.place(table_example.NAME, within="uploads")
        if not path.exists():
            with replacing(path) as place:
                place.write_text(await self.compute(table_example.text))
        return {"name": path.name}

    @message("discard", file=schema.text)
    async def discard(self, session, file: str) -> dict:
        """Removes a table that was sent, unless a model learnt from it."""
        path = self._table(file)
        models = self.studio.folder.names(_ENDING) + [job.about["out"] for job in self.studio.jobs.jobs.values()]
        await self.compute(self._discard, path, models)
        return {}

    def _discard(self, path: Path, models: list[str]) -> None:
        for model in models:
            with suppress(_Unknown):
                if self._read_about(model)["data"] == path.name:
                    raise Refused(f"{model!r} learnt from {path.name!r}, so it stays.")
        path.unlink(missing_ok=True)

    @message("look", file=schema.text, roles=_ROLES)
    async def look(self, session, file: str, roles: dict) -> dict:
        """What the columns of a table and its targets are, and what is wrong with them."""
        path = self._table(file)
        found = await self.compute(self._look, path, roles)
        return {**found, "out": self._fresh(path)}

    def _look(self, path: Path, roles: Mapping[str, str]) -> dict:
        with by_name(path):
            self._check_size(path)
            return table_file.look(path, _said(roles))

    def _check_size(self, path: Path) -> None:
        """Refuses a table that is too large; reads it once, as long as it does not change."""
        key = path.name, path.stat().st_mtime_ns
        if key not in self._sized:
            table_file.check_size(path, f"`mdn fit {shlex.quote(path.name)}`")
            self._sized.add(key)

    # ---- training ------------------------------------------------------------------------------------------------------

    @message("fit", file=schema.text, roles=_ROLES, effort=_EFFORT, calibrate=schema.flag, out=schema.text)
    async def fit(self, session, file: str, roles: dict, effort: str, calibrate: bool, out: str) -> dict:
        """Starts a training, once it is sure that the table will do."""
        path, roles = self._table(file), _said(roles)
        if not out.endswith(_ENDING):
            raise Refused(f"the name of a model ends in {_ENDING}, as {(out or 'model')[:40] + _ENDING!r} does.")
        if self.studio.folder.place(out).exists():
            raise Refused(f"there is a model {out!r} already; choose another name.")
        options = await self.compute(self._options, path, roles, bool(calibrate))
        command = table_code.fit_command(f"uploads/{file}", options, effort, bool(calibrate), out)
        targets = ", ".join(name for name, role in roles.items() if role == "target")
        about = {"data": file, "roles": roles, "calibrate": bool(calibrate)}

        async def prepare():
            with replacing(self._about(out)) as place:
                place.write_text(json.dumps(about))

        job = await self.studio.jobs.add(self.name, f"{Path(out).stem} ({targets})", command, out, prepare)
        return {"job": job.id, "out": out}

    def _options(self, path: Path, roles: Mapping[str, str], calibrate: bool) -> list[str]:
        """The options of `mdn fit`; raises its sentence if a training would end with one."""
        asked = self._checked(path, roles, calibrate)
        return shlex.split(asked.roles.options)

    def _checked(self, path: Path, roles: Mapping[str, str], calibrate: bool):
        import io

        from rich.console import Console

        from mdn_commands import rows
        from mdn_commands.shared import listening

        with listening(), by_name(path):
            self._check_size(path)
            asked = table_file.asked_of(path, table_file.roles_of(roles))[0]
            if not asked.roles.target_names:
                raise Refused("choose the column to predict first.")
            rows.deal(asked, rows.known_rows(asked, Console(file=io.StringIO())), 0.2, 0.15, calibrate, 0)
            asked.columns(asked.x)
        return asked

    @message("code", file=schema.text, roles=_ROLES, effort=_EFFORT, calibrate=schema.flag, out=schema.text)
    async def code(self, session, file: str, roles: dict, effort: str, calibrate: bool, out: str) -> dict:
        """The command and the Python of a training."""
        path, roles = self._table(file), _said(roles)
        asked = await self.compute(self._checked, path, roles, bool(calibrate))
        command = table_code.fit_command(file, shlex.split(asked.roles.options), effort, bool(calibrate), out)
        python = table_code.fit_python(file, asked, effort, bool(calibrate), out)
        return {"command": shlex.join(["mdn", *command]), "python": python}

    @message("progress", turn="progress", job=schema.text)
    async def progress(self, session, job: str) -> dict:
        """The held-out loss of each epoch, a list for each network that was trained."""
        found = self.studio.jobs.jobs.get(job)
        if found is None:
            raise Refused("there is no such training any more.")
        return {"curves": await self.quickly(_curves, found.folder / "progress.jsonl")}

    # ---- a model -------------------------------------------------------------------------------------------------------

    @message("open", model=schema.text)
    async def open(self, session, model: str) -> dict:
        """What a model can be asked, and its first answer, for which all is compiled."""
        path = self.studio.folder.find(model)
        return await self.compute(self._open, path)

    def _open(self, path: Path) -> dict:
        model = self._model(path)
        values = {each["name"]: each["value"] for each in model.features}
        model.answer(values, 0, None, 0.9)
        page = self._page(path.name)
        return {
            "model": path.name,
            "features": model.features,
            "targets": model.targets,
            "aside": len(model.aside),
            "report": page.name if page.is_file() else None,
            "python": table_code.what_if_python(path.name),
            "row": model.seen(0) if len(model.aside) else None,
        }

    @message(
        "ask", model=schema.text, values=_VALUES, target=schema.whole(), line=_LINE, coverage=schema.number(0.5, 0.99)
    )
    async def ask(self, session, model: str, values: dict, target: int, line: float | None, coverage: float) -> dict:
        """The density, the intervals and the probability above a line, for one row."""
        return await self.compute(
            lambda: self._model(self.studio.folder.find(model)).answer(values, target, line, coverage)
        )

    @message("row", model=schema.text, number=schema.whole())
    async def row(self, session, model: str, number: int) -> dict:
        """A row that was set aside, to begin from."""
        return await self.compute(lambda: self._model(self.studio.folder.find(model)).seen(number))

    @message("predict", model=schema.text, file=schema.text, line=_LINE)
    async def predict(self, session, model: str, file: str, line: float | None) -> dict:
        """Predictions of each row of another table, as a file to download."""
        return await self.compute(self._predict, self.studio.folder.find(model), self._table(file), line)

    def _predict(self, path: Path, new: Path, line: float | None) -> dict:
        from rich.console import Console

        from mdn_commands import predictions
        from mdn_commands.shared import listening

        regressor = self._model(path).regressor
        out = self.studio.folder.fresh(f"{new.name.split('.')[0][:60]} predicted.csv")
        with listening() as sentences, by_name(new):
            table_file.check_size(new, f"`mdn predict {shlex.quote(path.name)} {shlex.quote(new.name)}`")
            levels = ",".join(f"{level:g}" for level in table_code.QUANTILES)
            answers = predictions.answers_of(levels, above=[] if line is None else [line])
            rows = predictions.write(Console(quiet=True), regressor, new, answers, None, out, {})
        return {
            "name": out.name,
            "rows": rows,
            "sentences": [one.replace(str(new), new.name) for one in sentences],
            "command": table_code.predict_command(path.name, new.name, out.name, line),
        }

    # ---- where things are ------------------------------------------------------------------------------------------------

    def _table(self, name: str) -> Path:
        path = self.studio.folder.find(name, within="uploads")
        if not name.lower().endswith(table_file.ENDINGS):
            raise Refused(f"{name!r} is no table: CSV, TSV and other text (also .gz or .zip), Excel and Parquet are.")
        return path

    def _fresh(self, path: Path) -> str:
        """A name for the model of a table that no file has."""
        return self.studio.folder.fresh(f"{path.name.split('.')[0][:60]}{_ENDING}").name

    def _page(self, model: str) -> Path:
        """Of the report, which `mdn fit` writes beside a model."""
        return self.studio.folder.path / (model.removesuffix(_ENDING) + ".html")

    def _about(self, model: str) -> Path:
        folder = self.studio.folder.kept / "tables"
        folder.mkdir(exist_ok=True)
        return folder / f"{model}.json"

    def _read_about(self, model: str) -> dict[str, Any]:
        """What a model was made of, as `_ABOUT` says; raises `_Unknown` if the studio did not train it."""
        try:
            return _ABOUT(json.loads(self._about(model).read_text()), "")
        except (OSError, ValueError) as error:
            raise _Unknown from error

    def _model(self, path: Path) -> Model:
        """A model, kept in memory as long as its file does not change."""
        return self._models.of(path, self._load)

    def _load(self, path: Path) -> Model:
        data, calibrated = self._data_of(path.name)
        with by_name(path):
            return Model(path, data, calibrated)

    def _data_of(self, model: str) -> tuple[Any, bool]:
        """(the table of a model as `mdn fit` asked for it, or None; whether rows were set aside to calibrate)."""
        with suppress(_Unknown, OSError, ValueError):  # without its table, a model answers all the same
            about = self._read_about(model)
            path = self._table(about["data"])
            return self._checked(path, _said(about["roles"]), bool(about["calibrate"])), bool(about["calibrate"])
        return None, False


def _said(roles: Mapping[str, str]) -> dict[str, str]:
    """The columns that have a role."""
    return {name: role for name, role in roles.items() if role}


def _curves(path: Path) -> list[list[float]]:
    """The figures in a file of progress; a share that falls begins the next network."""
    curves: list[list[float]] = []
    before = 2.0
    with suppress(FileNotFoundError):
        for line in path.read_text().splitlines():
            with suppress(ValueError, KeyError, TypeError):
                content = json.loads(line)
                if content["share"] < before:
                    curves.append([])
                before = content["share"]
                curves[-1].append(float(content["figure"]))
    return [curve for curve in curves if curve]


page = Table
