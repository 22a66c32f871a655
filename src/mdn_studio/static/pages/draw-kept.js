// What people keep: their drawings, the way from one to another, and a network of their own.

import { button, canvas, choice, code, colour, dropzone, h, line, save } from "../ui.js";
import { unit } from "../chart.js";
import { ownJobs } from "../jobs.js";
import { newest } from "../socket.js";
import { drawLines, fit } from "./draw-sheet.js";

function picture(lines, label) {
  return canvas((context, width, height) => {
    const scale = fit(context, lines, width, height, 20);
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = (1.6 * unit()) / scale;
    context.strokeStyle = colour("ink");
    drawLines(context, lines);
  }, { ratio: 1, least: 40, label });
}

/** The panels below the sheet. `settings()` are the temperatures and the network; `networks()` asks for the list again. */
export function keptPanels(studio, { settings, networks }) {
  const { failed } = studio;
  let chosen = [], content = { kept: [], count: 0, words: 0, fewest: 20 }, seed = 1;

  const gallery = h("div", { class: "gallery" }), empty = h("p", { class: "faint" }), count = h("p", { class: "faint" });
  const between = h("div", { class: "way", hidden: true });
  const hint = h("p", { class: "faint" });
  const askWay = newest(() => {
    const { network, component_temperature: bold, variance_temperature: tremor } = settings();
    return studio.ask("draw.way", {
      network, first: chosen[0], last: chosen[1], seed, component_temperature: Math.min(bold, 0.3), variance_temperature: Math.min(tremor, 0.1),
    });
  }, ({ drawings }) => {
    between.replaceChildren(...drawings.map((lines, i) => h("figure", {}, picture(lines, `Step ${i + 1} of ${drawings.length} from the first drawing to the second`))));
    between.hidden = false;
    saveWay.disabled = again.disabled = false;
  }, (error) => { between.hidden = true; failed(error); });
  function morph() {
    askWay.drop();
    if (chosen.length === 2) askWay();
    else { between.hidden = true; saveWay.disabled = again.disabled = true; }
  }
  const again = button("Another way", () => { seed = Math.floor(1e6 * Math.random()); morph(); }, { class: "quiet", disabled: true });
  const saveWay = button("Save as SVG", async () => {
    try { save("way.svg", (await studio.ask("draw.svg", { what: "way" })).text, "image/svg+xml"); } catch (error) { failed(error); }
  }, { class: "quiet", disabled: true });

  function choose(name) {
    chosen = chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name].slice(-2);
    marks();
    morph();
  }

  function marks() {
    for (const one of gallery.children) {
      const at = chosen.indexOf(one.dataset.name);
      one.querySelector("button").setAttribute("aria-pressed", at >= 0);
      one.querySelector(".mark").textContent = at < 0 ? "" : chosen.length === 1 ? "from" : ["from", "to"][at];
      one.querySelector(".word").hidden = at >= 0;
    }
    hint.textContent = chosen.length === 2 ? "The network draws each step anew, from a summary between those of the two drawings." :
      chosen.length === 1 ? "Now choose where the way leads." : "Choose two of your drawings, and the network draws the way from one to the other.";
  }

  function show(answer) {
    content = answer;
    files.accept(answer.endings);
    chosen = chosen.filter((name) => content.kept.some((one) => one.name === name));
    empty.hidden = content.count > 0;
    count.hidden = !content.count;
    empty.textContent = `Nothing is kept yet. Draw something, say what it is, and keep it. From ${content.fewest} drawings on, a network can learn from them.`;
    gallery.replaceChildren(...content.kept.map(({ name, word, lines }, i) => h("figure", { "data-name": name },
      h("button", { type: "button", class: "quiet", "aria-pressed": "false", "aria-label": `Drawing ${content.count - i}${word ? `, ${word}` : ""}`, onclick: () => choose(name) }, picture(lines, "")),
      h("figcaption", {}, h("span", { class: "word" }, word || "—"), h("span", { class: "mark" }),
        button("×", () => studio.ask("draw.forget", { name }).then((found) => { show(found); morph(); }).catch((error) => { failed(error); networks(); }),
          { class: "quiet", "aria-label": `Take drawing ${content.count - i} out` })))));
    const need = content.fewest - content.count;
    count.textContent = need > 0 ? `${content.count} kept; a network needs ${need} more to learn from, and some hundreds to learn well.` : `${content.count} drawings are kept.`;
    train.disabled = need > 0;
    lacking.textContent = need > 0 ? `${need} more ${need === 1 ? "drawing is" : "drawings are"} needed before a network can learn from them.` : "";
    lacking.hidden = need <= 0;
    words.hidden = content.words < 2;
    all.hidden = !content.count;
    marks();
  }

  let brought = 0, left = 0, why = "";
  const leave = (count, sentence) => { left += count; why ||= sentence; };
  const bring = async (file, progress) => {
    try {
      const found = await studio.ask("draw.bring", { file: await studio.upload(file, progress) });
      brought += found.brought;
      if (found.left_out) leave(found.left_out, found.sentences[0]);
      show(found);
    } catch (error) { leave(1, error.message); }
  };
  const report = () => {
    if (brought) studio.note(brought === 1 ? "One drawing was added." : `${brought} drawings were added.`);
    if (left) failed(new Error(left === 1 ? why : `${left} were left out; the first: ${why}`));
    brought = left = 0;
    why = "";
  };
  const files = dropzone("Bring drawings that you have: SVG, or .ndjson and .npz of Quick, Draw! and sketch-rnn", bring, { several: true, done: report });

  const title = line("Its name", { value: "mine", maxlength: 40, oninput: () => tell() });
  const use = choice("What it will do", [["0", "go on with a drawing"], ["64", "find the way between two, too"]], { onchange: () => tell() });
  const told = h("input", { type: "checkbox", id: "draw-words", onchange: () => tell() });
  const shell = code("", "The same on the command line");
  function tell() {
    const { network, component_temperature: bold, variance_temperature: tremor } = settings(), out = JSON.stringify(`${title.value.trim() || "mine"}.keras`);
    shell.set(`mdn show drawings.ndjson --out sheet.svg
mdn train sketch --data drawings.ndjson --latent ${use.value}${told.checked && !words.hidden ? " --classes" : ""} --out ${out}
mdn generate sketch --model ${network.endsWith(".keras") ? JSON.stringify(network) : network} --component-temperature ${bold} --variance-temperature ${tremor} --out drawings.svg`);
  }
  const words = h("p", { hidden: true }, told, " ", h("label", { for: "draw-words" }, "Tell it the word of each drawing, so that you can ask for one"));
  const jobs = h("div", { class: "jobs-here" });
  const train = button("Train on them now", async () => {
    train.disabled = true;
    try {
      await studio.ask("draw.train", { title: title.value.trim() || "mine", latent: use.value !== "0", classes: told.checked && !words.hidden });
      studio.note("The training has begun. It goes on if you close this page, and its network will be in the list.");
    } catch (error) { failed(error); }
    train.disabled = content.count < content.fewest;
  });
  const lacking = h("span", { class: "faint" }); // why the button waits
  const all = h("a", { class: "button quiet", href: "/files/drawings.ndjson", download: "drawings.ndjson", hidden: true }, "Download the drawings");
  const { show: showJobs, end: off } = ownJobs(studio, "draw", jobs, networks);

  const panels = [
    h("section", { class: "panel" }, h("h2", {}, "Your drawings"), count, empty, gallery, files,
      h("h3", {}, "From one to another"), hint, between, h("p", { class: "buttons" }, again, saveWay)),
    h("section", { class: "panel" }, h("h2", {}, "A network of your own"),
      h("p", {}, "It learns from the drawings above, on this machine, beside everything else. Then choose it in the list, and it goes on in your hand."),
      h("div", { class: "form" }, title, use), words, h("p", { class: "buttons" }, train, all, lacking), jobs,
      shell),
  ];
  return { panels, show, showJobs, tell, close: off };
}
