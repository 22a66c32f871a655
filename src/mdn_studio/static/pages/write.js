// Write: what is typed is written by hand, stroke by stroke, and under it stands what the network reads meanwhile.

import { button, choice, code, h, options, save, slider, upper } from "../ui.js";
import { newest } from "../socket.js";
import { Paper, WindowView } from "./write-paper.js";
import { recordPanel } from "./write-record.js";

const START = "The answer is a mixture.";
const COMMON = { a4: "A4", a5: "A5", letter: "US letter" };

export async function mount(root, studio) {
  root.append(h("link", { rel: "stylesheet", href: "/static/pages/write.css" }));
  const { failed } = studio;
  let about = { hand: "", bias: 0.7 }, seed = 8, look = "";

  const text = h("textarea", { id: "write-text", rows: 2, maxlength: 400, spellcheck: "false", "aria-describedby": "write-fault" });
  text.value = sessionStorage.getItem("write.text") ?? START;
  const fault = h("p", { class: "error fault", id: "write-fault", role: "alert" });
  const view = new WindowView((share) => { paper.scrub(share); going.set(paper.share); });
  const paper = new Paper((line, place, moved) => { view.show(line, place); if (moved) going.set(paper.share); });
  const going = slider("Where the pen is", { min: 0, max: 1, value: 0, shows: (v) => `${Math.round(100 * v)} %`, oninput: (v) => paper.seek(v) });

  const typed = () => ({
    network: network.value, text: text.value, paper: sheet.value, style: hand.value, bias: bias.value, seed, plain: plain.checked,
  });
  const reading = h("p", { class: "faint", role: "status", hidden: true }, "The network is read; the first time takes a while.");
  const askInk = newest(async (asked) => {
    const slow = setTimeout(() => { reading.hidden = false; }, 700);
    try { return await studio.ask("write.text", asked); } finally { clearTimeout(slow); reading.hidden = true; }
  }, (answer, asked, how) => {
    const now = JSON.stringify({ ...asked, text: "", plain: false });
    paper.show(answer, now !== look ? how || "again" : "on");
    look = now;
    fault.textContent = "";
  }, (error) => { fault.textContent = upper(error.message); });
  function write(how = "") {
    const asked = typed();
    tell(asked);
    if (asked.text.trim()) { askInk(asked, how); return; }
    askInk.drop();
    fault.textContent = "Type something, and it is written here.";
    paper.clear();
  }

  function tell({ network: name, text: said, style, bias: b, paper: on, plain: simple }) {
    const own = name.endsWith(".keras"), cut = said.replace(/\s+$/, "");
    const quoted = (one) => `'${one.replaceAll("'", "'\\''")}'`; // for a shell
    const source = cut.includes("\n") ? "--file note.txt" : quoted(cut);
    shell.set(`mdn write ${source}${own ? ` --model ${quoted(name)}` : ""}${style ? ` --style ${quoted(style)}` : ""} --bias ${b}${on ? ` --page ${on}` : ""}${simple ? " --transliterate" : ""} --seed ${seed} --out note.svg`);
    const load = own ? `handwriting.load(${JSON.stringify(name)})` : "handwriting.load()";
    const how = `bias=${b}, ${style ? `style=${JSON.stringify(style)}, ` : ""}seed=${seed} + i`;
    example.set(`from mdn.applications import handwriting

model = ${load}
page = ${on ? `handwriting.Page.of(${JSON.stringify(on)})` : "handwriting.Page(width=165.0, height=None, margin=10.0)"}
texts = handwriting.wrapped(${JSON.stringify(cut)}, page.characters)
made = [handwriting.write(model, [text], ${how}) for i, text in enumerate(texts) if text]
handwriting.write_page("note.svg", [one.lines[0] for one in made], page)
weights = handwriting.windows(model, made[0].events, made[0].texts${style ? `, ${JSON.stringify(style)}` : ""})[0]  # (points, letters)`);
  }

  const network = choice("Who writes", [["handwriting", "Thirteen hands (UNIPEN)"]], { onchange: () => meet().then(() => write("again")) });
  const hand = choice("Whose hand", [["", "its own"]], { onchange: () => write("again") });
  const bias = slider("Neatness", { min: 0, max: 2, step: 0.05, value: 0.7, oninput: () => write("whole") });
  const sheet = choice("Paper", [["", "as high as the text"], ...Object.entries(COMMON)], { onchange: () => write("whole") });
  const pace = slider("Pace", { min: 0.5, max: 32, value: 5, log: true, shows: (v) => `${v < 3 ? v.toFixed(1) : Math.round(v)} ×`, oninput: (v) => { paper.pace = v; } });
  const plain = h("input", { type: "checkbox", id: "write-plain", onchange: () => write() });
  const example = code("", "The same in Python"), shell = code("", "The same on the command line");
  paper.pace = pace.value;

  async function meet() {
    try { about = await studio.ask("write.about", { network: network.value }); } catch (error) { return failed(error); }
    hand.offer([["", about.hand ? `easiest to read (${about.hand})` : "its own"], ["any", "another in each line"],
      ...about.hands.map((name, i) => [name, `hand ${i + 1} (${name})`])]);
  }
  const svg = (seconds) => async () => {
    try {
      const { files } = await studio.ask("write.svg", { ...typed(), seconds });
      for (const { name, text: content } of files) save(name, content, "image/svg+xml");
    } catch (error) { failed(error); }
  };
  text.addEventListener("input", () => { sessionStorage.setItem("write.text", text.value); write(); });

  async function networks() {
    const answer = await studio.ask("write.networks");
    network.offer(options(answer.networks));
    return answer;
  }
  const record = await recordPanel(studio, { networks: () => networks().catch(failed) });

  root.append(
    h("h1", {}, "Type, and it is written"),
    h("p", { class: "lead" }, "A network moves a pen. Nothing is pasted together: each point is drawn from a distribution, and no letter looks the same twice."),
    h("div", { class: "columns" },
      h("div", {},
        h("section", { class: "panel", "aria-label": "The text and the paper" },
          h("label", { for: "write-text", class: "faint" }, "Your text"), text, fault, reading, paper.element,
          h("p", { class: "buttons tools" }, button("Write it again", () => { seed = Math.floor(1e6 * Math.random()); write("again"); }),
            button("Show all of it", () => paper.finish(), { class: "quiet" }), h("span", { class: "gap" }),
            button("Save as SVG", svg(0), { class: "quiet" }), button("Save an SVG that writes itself", svg(8), { class: "quiet" }))),
        h("section", { class: "panel" }, h("h2", {}, "What the network reads"),
          h("p", { class: "faint" }, "It never sees the whole text: a soft window shows it a letter or two, and moves on as the pen does. Darker letters weigh more. In the picture time runs to the right; drag over it to take the pen back."),
          view.element, going)),
      h("section", { class: "panel" }, h("h2", {}, "The hand"), network, hand, bias,
        h("p", { class: "faint small" }, "At 0 it writes as people do. Above, it takes likelier turns and strays less (Graves’ bias b: weights to the power 1 + b, scales times exp(−b)), and letters count more."),
        sheet, pace, h("p", {}, plain, " ", h("label", { for: "write-plain" }, "Write letters that the hand lacks in letters that it has (é as e)")), example,
        shell)),
    record.panel);

  const begin = async () => {
    reading.hidden = false;
    try { record.showJobs((await networks()).jobs); } catch (error) { failed(error); }
    await meet();
    reading.hidden = true;
    bias.set(about.bias);
    write("again");
  };
  begin();
  return {
    leave() { paper.stop(); record.close(); },
    async back() { await record.send(); write(); },
  };
}
