"""`mdn`: the entry point of the command. It imports nothing before Ctrl-C is handled."""

from __future__ import annotations


def main() -> None:
    """The command `mdn`; Ctrl-C ends it in one line and exit code 130, however early it comes."""
    try:
        from mdn_commands import interrupt

        interrupt.before_a_command()
        from mdn_commands.app import app

        app()
    except KeyboardInterrupt:
        import sys

        sys.stderr.write("mdn: stopped.\n")
        raise SystemExit(130) from None


def __getattr__(name: str):
    if name == "app":  # imported on first use, since typer takes long
        from mdn_commands.app import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    main()
