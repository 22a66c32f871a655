// A table of one's own: drop it, look at its columns, train, and ask what if.

import { button, dropzone, h } from "../ui.js";
import { whenEnded } from "../jobs.js";
import { filePanel } from "./table-file.js";
import { modelPanel } from "./table-model.js";

export async function mount(root, studio) {
  const { failed } = studio;
  const place = h("div", {}), known = h("div", { class: "known" });
  let file = null, model = null, busy = false, endings = [];

  const once = (work) => async (...given) => {
    if (busy) return;
    busy = true;
    root.setAttribute("aria-busy", "true");
    try { await work(...given); } catch (error) { failed(error); }
    busy = false;
    root.removeAttribute("aria-busy");
  };

  async function list() {
    const { tables, models, endings: read } = await studio.ask("table.files");
    endings = read;
    zone.accept(endings);
    const chips = (title, all, onclick) => all.length ? h("div", {}, h("h3", {}, title), h("p", { class: "buttons chips" },
      all.slice(0, 12).map((name) => button(name, () => onclick(name), { class: "quiet" })))) : null;
    const again = chips("Models you can ask again", models, once(open));
    known.replaceChildren(...[again, chips("Tables sent before", tables, once(look))].filter(Boolean));
  }

  async function look(name, predict = "") {
    const found = await studio.ask("table.look", { file: name, roles: predict ? { [predict]: "target" } : {} });
    file?.leave();
    model?.leave();
    model = null;
    file = filePanel(studio, found, { open: once(open) });
    place.replaceChildren(file.element);
    file.element.scrollIntoView({ block: "start", behavior: "smooth" });
    await list();
  }

  async function bring(one, progress) {
    const name = await studio.upload(one, progress);
    try { await look(name); } catch (error) {
      await studio.ask("table.discard", { file: name }).catch(() => {}); // what is no table is not kept
      throw error;
    }
  }

  async function open(name) {
    const wait = h("p", { class: "panel faint", role: "status" }, `${name} is being opened. The first answer takes a few seconds, the others do not.`);
    place.append(wait);
    try {
      const found = await studio.ask("table.open", { model: name });
      model?.leave();
      model?.element.remove();
      model = modelPanel(studio, found, endings);
      if (file && file.out() !== name) { file.leave(); file.element.remove(); file = null; }
      place.append(model.element);
      model.element.scrollIntoView({ block: "start", behavior: "smooth" });
      await list();
    } finally { wait.remove(); }
  }

  const zone = dropzone("Drop a table here, or choose one: CSV, Excel or Parquet, with names in the first line", once(bring));
  root.append(
    h("link", { rel: "stylesheet", href: "/static/pages/table.css" }),
    h("h1", {}, "How sure can you be?"),
    h("p", { class: "lead" }, "Bring a table, name the column you want to know, and get for every row not one number but a range that keeps its word."),
    h("section", { class: "panel", "aria-label": "Choose a table" },
      zone,
      h("p", { class: "buttons example" }, h("span", { class: "faint" }, "No table at hand?"),
        button("Take the rents of 900 made-up flats", once(async () => look((await studio.ask("table.example")).name, "rent")), { class: "quiet" })),
      known),
    place);
  const { end } = whenEnded(studio, "table", () => list().catch(() => {})); // of a training that this tab did not begin, too
  await list();
  return {
    leave() { end(); file?.leave(); model?.leave(); },
    back() { list().catch(() => {}); model?.back(); },
  };
}
