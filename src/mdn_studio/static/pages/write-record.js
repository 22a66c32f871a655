// Record a hand, line by line, as the page of `mdn record` does, and teach it to the network.

import { button, canvas, code, colour, h, line as field, save, status } from "../ui.js";
import { unit } from "../chart.js";
import { ownJobs } from "../jobs.js";
import { Recording, line } from "/static/recorder.js";

export async function recordPanel(studio, { networks }) {
  const { failed } = studio;
  const id = () => `${new Date().toISOString().slice(0, 19).replace(/[:T]/g, "-")}-${Math.random().toString(36).slice(2, 6)}`;
  const store = (() => { try { return window.localStorage; } catch { return { getItem() { return null; }, setItem() { throw new Error("no store"); } }; } })();
  const recording = new Recording(store, line, id, Date.now);
  let kept = 0, fewest = 30, sending = null;

  const paper = canvas((context, width, height) => {
    context.strokeStyle = colour("line");
    context.beginPath();
    context.moveTo(0, 0.66 * height);
    context.lineTo(width, 0.66 * height);
    context.stroke();
    context.strokeStyle = colour("ink");
    context.lineWidth = 2 * unit();
    context.lineCap = context.lineJoin = "round";
    for (const stroke of recording.strokes) {
      context.beginPath();
      context.moveTo(stroke[0][0], stroke[0][1]);
      for (const [x, y] of stroke) context.lineTo(x, y);
      context.stroke();
    }
  }, { ratio: 0.16, least: 150, most: 260, label: "Write the line here, with a pen, a finger or a mouse" });
  paper.classList.add("sheet");
  paper.style.touchAction = "none";
  const point = (event) => {
    const box = paper.getBoundingClientRect();
    return [+(event.clientX - box.left).toFixed(1), +(event.clientY - box.top).toFixed(1), performance.timeOrigin + event.timeStamp];
  };
  paper.addEventListener("pointerdown", (event) => {
    if (recording.down(event, point(event))) try { paper.setPointerCapture(event.pointerId); } catch { /* a pointer that a test made */ }
    event.preventDefault();
    show();
  });
  paper.addEventListener("pointermove", (event) => {
    const all = event.getCoalescedEvents?.() ?? [];
    if (recording.move(event, (all.length ? all : [event]).map(point))) paper.redraw();
  });
  paper.addEventListener("pointerup", (event) => { if (recording.up(event)) show(); });
  paper.addEventListener("pointercancel", (event) => { if (recording.up(event, true)) show(); });

  const words = h("p", { class: "to-write" }), said = status("", { class: "faint" });
  const writer = field("Who writes?", { value: recording.writer, maxlength: 60, oninput: (name) => { recording.writer = name.trim() || "me"; recording.keep(); } });
  const title = field("Its name", { value: "my hand", maxlength: 40, oninput: () => tell() });
  const act = (name) => () => { recording[name](); show(); send(); };
  const next = button("Next line", act("next")), undo = button("Undo", act("undo"), { class: "quiet" });
  const again = button("Once more", act("again"), { class: "quiet" }), other = button("Another text", act("other"), { class: "quiet" });
  const download = button("Save a file", () => { save(`handwriting-${recording.session}.json`, recording.save(), "application/json"); show(); send(); }, { class: "quiet" });
  const begin = button("New session", async () => {
    await send();
    if (kept < recording.written.length || recording.strokes.length) { if (!confirm("Some lines have not reached the studio, and will be lost. Begin anew?")) return; }
    recording.begin();
    kept = 0;
    show();
  }, { class: "quiet" });
  const jobs = h("div", { class: "jobs-here" });
  const train = button("Teach it this hand", async () => {
    train.disabled = true;
    try {
      await send();
      await studio.ask("write.train", { session: recording.session, title: title.value.trim() || "my hand" });
      studio.note("The training has begun. It goes on if you close this page, and its network will be in the list.");
    } catch (error) { failed(error); }
    show();
  });
  const example = code("", "The same on the command line");

  function show() {
    paper.redraw();
    words.textContent = recording.text;
    const count = recording.written.length, need = fewest - count;
    said.show(`${count === 0 ? "Nothing is written yet." : `${count} ${count === 1 ? "line is" : "lines are"} written, ${kept >= count ? "all of them" : kept} in the folder of the studio.`} ` +
      (need > 0 ? `A network can learn a hand from ${fewest} lines on, so ${need} more are needed; some 200 teach it well.` : "Some 200 teach a hand well.") +
      (recording.kept ? "" : " This browser itself keeps nothing more."));
    undo.disabled = !recording.strokes.length && !count;
    next.disabled = again.disabled = !recording.strokes.length;
    download.disabled = !recording.strokes.length && !count;
    train.disabled = need > 0;
    tell();
  }
  function tell() {
    const out = JSON.stringify(`${title.value.trim() || "my hand"}.keras`);
    example.set(`mdn record --out record.html
mdn train handwriting --data handwriting-${recording.session}.json --from handwriting --out ${out}
mdn write "Hello" --model ${out} --out hello.svg`);
  }

  /** Sends the lines that the studio does not have; one call at a time. */
  function send() {
    sending = (sending ?? Promise.resolve()).then(async () => {
      const { session, written } = recording;
      const found = await studio.ask("write.recorded", { session });
      kept = found.lines;
      fewest = found.fewest;
      if (kept > written.length) kept = (await studio.ask("write.keep", { session, place: written.length, line: null })).lines;
      while (kept < written.length && recording.session === session) {
        const { text, writer: who, strokes } = written[kept];
        kept = (await studio.ask("write.keep", { session, place: kept, line: { text, writer: who || "me", strokes } })).lines;
      }
    }).catch(failed).then(show);
    return sending;
  }

  const { show: showJobs, end: off } = ownJobs(studio, "write", jobs, networks);
  const panel = h("section", { class: "panel" }, h("h2", {}, "Your own hand"),
    h("p", {}, "Write the lines below as you write by hand, each on one line. Your browser and the studio keep them, so that you can go on another day."),
    words, paper, h("p", { class: "buttons tools" }, next, undo, again, other, h("span", { class: "gap" }), download, begin), said,
    h("div", { class: "form" }, writer, title), h("p", { class: "buttons" }, train), jobs, example);
  show();
  send();
  return { panel, showJobs, send, close: off };
}
