// What was played: a list to hear again, to take along as MIDI, and to learn from.

import { button, bytes, h, save } from "../ui.js";

/** The panel of kept performances; `hear(touches)` replays, `models(networks)` gets the models that there are. */
export function keptPanel(studio, { hear, models }) {
  const { failed } = studio;
  const rows = h("tbody", {});
  const table = h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["Played", "Length", "You", "Model", ""].map((text, i) => h("th", { class: i > 0 && i < 4 ? "number" : false, scope: "col" }, text)))), rows));
  const empty = h("p", { class: "faint" }, "Nothing is kept yet. Whatever you play is kept by itself; a new performance begins with “Begin anew” or when you come back.");
  const train = button("Train a model on them", () => studio.ask("play.train").then((job) => studio.note(`The training has begun and makes ${job.out}. The button at the top of the page shows how far it is.`), failed));
  const element = h("section", { class: "panel", "aria-label": "Kept performances" }, h("h2", {}, "Kept performances"), empty, table,
    h("p", { class: "faint needs" }, "A model of your own needs at least ten performances, or ten phrases with more than five seconds between them. It learns on this machine, and then answers in your manner."), h("p", { class: "buttons" }, train));

  let asked = ""; // the performance that is about to be removed; the list may be made anew in between
  let forget = 0;

  function label() {
    for (const row of rows.children) row.querySelector(".remove").textContent = row.dataset.name === asked ? "Really?" : "Remove";
  }

  async function remove(one) {
    if (asked !== one.name) {
      asked = one.name;
      clearTimeout(forget);
      forget = setTimeout(() => { asked = ""; label(); }, 3000);
      label();
      return;
    }
    try { show(await studio.ask("play.remove", { name: one.name })); } catch (error) { failed(error); }
  }

  function show(kept) {
    empty.hidden = kept.performances.length > 0;
    table.hidden = train.hidden = !kept.performances.length;
    rows.replaceChildren(...kept.performances.map((one) => {
      const row = h("tr", { "data-name": one.name },
        h("td", {}, one.when), h("td", { class: "number" }, `${one.seconds.toFixed(0)} s`), h("td", { class: "number" }, one.touches), h("td", { class: "number" }, one.answers),
        h("td", { class: "acts" },
          button("Hear", async () => { try { hear((await studio.ask("play.replay", { name: one.name })).touches); } catch (error) { failed(error); } }, { class: "quiet", "aria-label": `Hear the performance of ${one.when}` }),
          button("MIDI", async () => {
            try {
              const file = await studio.ask("play.export", { name: one.name });
              save(file.name, new Blob([bytes(file.base64)], { type: "audio/midi" }));
            } catch (error) { failed(error); }
          }, { class: "quiet", "aria-label": `The performance of ${one.when} as a MIDI file` }),
          button("Remove", () => remove(one), { class: "quiet remove", "aria-label": `Remove the performance of ${one.when}` })));
      return row;
    }));
    label();
    models(kept.networks);
  }

  return { element, refresh: async () => { try { show(await studio.ask("play.kept")); } catch (error) { failed(error); } } };
}
