"""`mdn studio`: the lecture, tables, drawing, writing, playing and dreaming in the browser, on the engine of the commands.

`server.serve` starts it. A page is a class in `pages/` and an ES module of the same name in `static/pages/`; they talk by
messages, each of which is declared with a rule for each field (`messages.message`). Trainings are jobs: processes that run
a command of `mdn` (`jobs`).
"""
