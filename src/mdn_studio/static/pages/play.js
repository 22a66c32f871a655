// Play: a pad, a keyboard or MIDI; a model answers, and both are heard and seen.

import { button, choice, code, h, options, slider, status, upper } from "../ui.js";
import { newest } from "../socket.js";
import { NAMES, Sound } from "./play-sound.js";
import { Midi } from "./play-midi.js";
import { PLACES, Pad } from "./play-pad.js";
import { keptPanel } from "./play-kept.js";

const SHIPPED = "the model that comes with mdn";
const CUSHION = [15, 80]; // milliseconds between an answer's time and its sound, as many as answers are late: the rhythm stays exact
const MODES = {
  callresponse: ["Call and response", "It answers when you have been silent for a while."],
  polyphony: ["Polyphony", "To each of your touches it plays one of its own."],
  battle: ["Battle", "It plays on and on, whatever you do."],
  useronly: ["You alone", "It is silent; what you play is kept."],
};

export async function mount(root, studio) {
  root.append(h("link", { rel: "stylesheet", href: "/static/pages/play.css" }));
  const { failed } = studio;
  const sound = new Sound();
  let open = true, begun = false, paused = false, offset = Infinity, cushion = CUSHION[0], mode = "callresponse", lastAnswer = 0, replaying = null, held = null, trained = 0;

  // ---- what the player does
  const pad = new Pad(sound.notes, (kind, x, y) => (kind === "end" ? lift() : touch(x, y, kind === "begin")));
  function touch(x, y, begins) {
    stopReplay();
    sound.wake();
    if (begins) sound.begin("player", x, y);
    else sound.move("player", x, y);
    pad.add("player", x, y, begins);
    if (begun && !paused) studio.tell("play.touch", { x, y });
    describe();
  }
  const lift = () => sound.end("player");
  const keyed = (event) => {
    if (event.type === "keyup") { if (held === event.code) letGo(); return; } // whatever else is pressed, a note must end
    const place = PLACES.get(event.code);
    if (!place || event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.("input:not([type=range]):not([type=radio]), select, textarea")) return;
    event.preventDefault();
    if (event.repeat) return;
    held = event.code;
    touch(...place, true);
  };
  const letGo = () => { held = null; lift(); };
  window.addEventListener("blur", letGo);
  document.addEventListener("keydown", keyed);
  document.addEventListener("keyup", keyed);

  // ---- what the model does
  const midi = new Midi((data) => { sound.wake(); studio.tell("play.midi", { data }); });
  /** Milliseconds from now until what happened at `at`, on the server's clock, shall sound. */
  function wait(at) {
    const late = performance.now() - at;
    offset = Math.min(late, offset + 0.001); // clocks may drift apart slowly
    cushion = Math.min(CUSHION[1], Math.max(CUSHION[0], late - offset, 0.995 * cushion));
    return Math.max(0, offset + cushion - late);
  }
  const hearing = [
    studio.on("play.answer", (said) => {
      const after = wait(said.at);
      if (said.begins) sound.begin("model", said.x, said.y, after);
      else sound.move("model", said.x, said.y, after);
      midi.send(said.midi, after);
      pad.add("model", said.x, said.y, said.begins);
      lastAnswer = performance.now();
      answers += 1;
      describe();
    }),
    studio.on("play.lifted", (said) => { const after = wait(said.at); sound.end("model", after); midi.send(said.midi, after); }),
    studio.on("play.heard", (said) => {
      const begins = !sound.sounding.player;
      if (begins) sound.begin("player", said.x, said.y);
      else sound.move("player", said.x, said.y);
      pad.add("player", said.x, said.y, begins);
    }),
    studio.on("play.released", lift),
    studio.on("jobs.changed", ({ jobs }) => {
      const done = jobs.filter((job) => job.page === "play" && job.state === "done").length;
      if (done !== trained) { trained = done; kept.refresh(); } // its model can be chosen now
    }),
    studio.on("play.state", (said) => { setMode(said.mode); bold.set(said.component_temperature); wild.set(said.variance_temperature); describe(); }),
  ];

  // ---- the controls
  const change = newest((fields) => studio.ask("play.set", fields), undefined, failed);
  const radios = Object.entries(MODES).map(([name, [title, what]]) => h("label", {},
    h("input", { type: "radio", name: "play-mode", value: name, onchange: () => { mode = name; if (begun) studio.ask("play.set", { mode }).catch(failed); describe(); } }),
    h("span", {}, title), h("small", {}, what)));
  function setMode(name) { mode = name; for (const one of radios) one.firstChild.checked = one.firstChild.value === name; }
  const heat = (label, key) => slider(label, { min: 0.05, max: 5, value: 1, log: true, shows: (v) => v.toFixed(2), oninput: (v) => { change({ [key]: v }); describe(); } });
  const bold = heat("Boldness", "component_temperature"), wild = heat("Wildness", "variance_temperature");
  const silence = slider("Silence before an answer", { min: 0.2, max: 5, step: 0.1, value: 1, shows: (v) => `${v.toFixed(1)} s`, oninput: (v) => { change({ silence: v }); describe(); } });
  const pause = button("Pause", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    if (paused) sound.end("model");
    studio.ask("play.set", { paused }).catch(failed);
    describe();
  }, { class: "quiet" });
  const anew = button("Begin anew", async () => {
    stopReplay();
    try { await studio.ask("play.anew"); pad.clear(); sound.silence(); answers = 0; setTimeout(kept.refresh, 300); } catch (error) { failed(error); }
  }, { class: "quiet" });
  const model = choice("Model", [[SHIPPED, "comes with mdn"]], { onchange: () => begin() });
  model.classList.add("wide");
  const voice = (label, who) => choice(label, NAMES.map((name) => [name, upper(name)]), { value: sound.voices[who], onchange: (name) => { sound.end(who); sound.voices[who] = name; } });
  const volume = slider("Loudness", { min: 0, max: 1, step: 0.01, value: 0.7, shows: (v) => `${Math.round(100 * v)} %`, oninput: (v) => sound.volume(v) });
  const said = status("", { class: "faint said" });
  const snippet = code("");
  let answers = 0, trouble = "";

  function describe() {
    const mine = MODES[mode][0].toLowerCase(), sounding = performance.now() - lastAnswer < 400;
    const text = trouble || (!begun ? "The model is read; the first time takes a while." : replaying ? "A kept performance sounds." : paused ? "Paused: nothing is kept, and the model is silent."
      : sounding ? "The model plays." : answers ? `In ${mine}; the model has played ${answers} touches so far.` : `In ${mine}. Play something.`);
    (trouble || paused || replaying ? said.tell : said.show)(text);
    const component = +bold.value.toPrecision(3), variance = +wild.value.toPrecision(3), own = model.value && model.value !== SHIPPED;
    const python = [
      "import numpy as np",
      "from mdn.applications.jam import Jam", "from mdn.applications.jam.midi import write_midi", "",
      "# x, y and the seconds since the touch before",
      "call = np.array([[0.2, 0.5, 0.001], [0.25, 0.5, 0.05], [0.6, 0.4, 0.4]])",
      `jam = Jam.load(${own ? JSON.stringify(model.value) : ""})`,
      `answer = jam.respond(call, component_temperature=${component}, variance_temperature=${variance}, seed=1)`,
      'write_midi("answer.mid", answer)', "",
      "# On the command line, live, with a MIDI keyboard:",
      `# mdn jam --midi --mode ${mode} --silence ${+silence.value.toFixed(1)}${own ? ` --model "${model.value}"` : ""} --component-temperature ${component} --variance-temperature ${variance}`,
    ].join("\n");
    snippet.set(python);
  }
  const settle = setInterval(describe, 500);

  // ---- a kept performance, heard again
  function stopReplay() {
    if (!replaying) return;
    clearTimeout(replaying.timer);
    replaying = null;
    sound.silence();
    stop.hidden = true;
    describe();
  }
  const stop = button("Stop", stopReplay, { hidden: true });
  function hear(touches) {
    if (!open) return; // the page was left while they came
    stopReplay();
    sound.wake();
    pad.clear();
    const mine = (replaying = { next: 0, start: performance.now() + 150 - (touches[0]?.[0] ?? 0) }), last = {};
    stop.hidden = false;
    const lifts = {};
    const step = () => {
      if (replaying !== mine) return;
      const now = performance.now() - mine.start;
      while (mine.next < touches.length && touches[mine.next][0] <= now + 30) {
        const [at, byModel, x, y] = touches[mine.next++], who = byModel ? "model" : "player", begins = !(at - last[who] <= tap);
        if (begins) sound.begin(who, x, y, at - now);
        else sound.move(who, x, y, at - now);
        pad.add(who, x, y, begins);
        last[who] = at;
        lifts[who] = at + tap;
      }
      for (const [who, at] of Object.entries(lifts)) if (at <= now) { sound.end(who); delete lifts[who]; }
      if (mine.next < touches.length || Object.keys(lifts).length) mine.timer = setTimeout(step, 10);
      else stopReplay();
    };
    step();
    describe();
  }
  let tap = 100;

  const kept = keptPanel(studio, { hear, models: (networks) => model.offer(options(networks)) });

  async function begin() {
    begun = false;
    describe();
    try {
      const about = await studio.ask("play.begin", {
        model: model.value || SHIPPED, mode, silence: silence.value, component_temperature: bold.value, variance_temperature: wild.value,
      });
      sound.notes = pad.notes = about.notes;
      tap = 1000 * about.tap;
      offset = Infinity;
      cushion = CUSHION[0];
      trouble = "";
      if (!open) return studio.tell("play.leave");
      begun = true;
      if (paused) studio.ask("play.set", { paused }).catch(failed);
      pad.element.redraw();
    } catch (error) {
      trouble = upper(error.message);
      if (model.value !== SHIPPED) { failed(error); model.set(SHIPPED); trouble = ""; return begin(); }
    }
    describe();
    kept.refresh();
  }

  const quiet = () => { sound.silence(); midi.silence(); };
  const hidden = () => { if (document.hidden) { held = null; lift(); } };
  window.addEventListener("pagehide", quiet);
  document.addEventListener("visibilitychange", hidden);

  root.append(
    h("h1", {}, "Play"),
    h("p", { class: "lead" }, "Play a phrase on the pad. A network that learned from people who played on touchscreens answers, touch by touch: each one is drawn from the distribution that it predicts."),
    h("div", { class: "columns" },
      h("div", { class: "panel" }, pad.element, h("div", { class: "score" }, pad.score),
        h("div", { class: "under" }, said, h("p", { class: "buttons" }, stop, pause, anew)),
        h("p", { class: "faint" }, h("span", { class: "you" }, "You"), " and ", h("span", { class: "model" }, "the model"), ". Left is low, right is high; the lower edge is loud, the upper edge bright.")),
      h("aside", { class: "panel" }, h("fieldset", { class: "modes" }, h("legend", {}, "Who plays when"), radios), model, silence, bold, wild,
        h("p", { class: "faint small" }, "Boldness: how often it takes an unlikely turn (component temperature). Wildness: how far it strays (variance temperature)."))),
    h("div", { class: "columns" },
      h("div", {},
        kept.element,
        h("div", { class: "panel" }, h("h2", {}, "How it is made"),
          h("p", {}, "A touch is three numbers: how far x and y moved, and how long it took. The network predicts a mixture of twenty bell-shaped distributions of the next three, draws from it, and waits just as long as it drew."),
          snippet)),
      h("aside", {},
        h("div", { class: "panel" }, h("h2", {}, "Sound"), Sound.possible ? [voice("You", "player"), voice("The model", "model"), volume] : h("p", {}, "This browser has no WebAudio, so nothing is heard; all is seen, and MIDI sounds if there is any.")),
        h("div", { class: "panel" }, h("h2", {}, "MIDI"), midi.element))),
  );
  setMode(mode);
  kept.refresh(); // at once: the model may still be read for a while
  begin();
  return {
    leave() {
      open = false;
      stopReplay();
      clearInterval(settle);
      for (const stopHearing of hearing) stopHearing();
      document.removeEventListener("keydown", keyed);
      document.removeEventListener("keyup", keyed);
      window.removeEventListener("blur", letGo);
      document.removeEventListener("visibilitychange", hidden);
      window.removeEventListener("pagehide", quiet);
      midi.close();
      sound.close();
      studio.tell("play.leave");
    },
    back: begin,
  };
}
