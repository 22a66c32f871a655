// Dream: the real world and the network's dream of it, side by side, steered with the same keys.

import { button, choice, code, h, slider } from "../ui.js";
import { newest } from "../socket.js";
import { View } from "./dream-view.js";

const KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", KeyA: "left", KeyD: "right", KeyW: "up", KeyS: "down" };
const SIGNS = { left: "←", right: "→", up: "↑", down: "↓" };

export async function mount(root, studio) {
  root.append(h("link", { rel: "stylesheet", href: "/static/pages/dream.css" }));
  const { failed } = studio;
  const held = new Set();
  let runs = true, who = "c", open = true, begun = false, before = performance.now();

  const views = {
    real: new View("real", "The real world", "blue", [["Begin anew", () => anew("real")]]),
    dream: new View("dream", "The dream", "purple", [["Begin anew", () => anew("dream")], ["Dream from here", () => anew("here")]]),
  };
  const anew = (which) => studio.ask("dream.anew", { which }).catch(failed);

  // ---- the controls
  const world = choice("World", [["racing", "A car on a track"], ["cartpole", "A pole on a cart"]], { onchange: () => begin() });
  const you = button("You", () => drive("you"), { class: "quiet" });
  const c = button("The network", () => drive("c"), { class: "quiet" });
  const pause = button("Pause", () => run(!runs), { class: "quiet" });
  const told = newest((kind, fields) => studio.ask(kind, fields), undefined, failed);
  const heat = slider("Variance temperature", {
    min: 0.02, max: 20, value: 1, log: true, shows: (v) => (v < 1 ? v.toFixed(2) : v.toFixed(1)), oninput: (v) => { told("dream.heat", { variance_temperature: v }); describe(); },
  });
  const speed = slider("Speed, of real time", { min: 0.1, max: 1, step: 0.05, value: 0.7, shows: (v) => `${Math.round(100 * v)} %`, oninput: (v) => pace({ speed: v }) });
  const pace = newest((fields) => studio.ask("dream.speed", fields), undefined, failed);
  const hint = h("p", { class: "faint" }, "");
  const rate = h("p", { class: "rate" }, "");
  const arrows = h("div", { class: "arrows", role: "group", "aria-label": "Arrow keys, to touch" }, Object.keys(SIGNS).map((key) => arrow(key)));
  const snippet = code("");
  snippet.open = true;

  function arrow(key) {
    const element = button(SIGNS[key], () => {}, { class: "quiet", "data-key": key, "aria-label": key });
    element.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      try { element.setPointerCapture(event.pointerId); } catch { /* a pointer that a test made */ }
      hold(key, true);
    });
    for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) element.addEventListener(kind, () => hold(key, false));
    element.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); hold(key, true); } });
    element.addEventListener("keyup", (event) => { if (event.key === "Enter" || event.key === " ") hold(key, false); });
    element.addEventListener("blur", () => hold(key, false));
    return element;
  }

  const tellKeys = newest(() => studio.ask("dream.keys", { held: [...held] }), undefined, failed);
  function hold(key, on) {
    if (on === held.has(key)) return;
    held[on ? "add" : "delete"](key);
    for (const one of arrows.children) one.classList.toggle("held", held.has(one.dataset.key));
    if (!begun) return;
    if (on && who !== "you") drive("you");
    tellKeys();
  }
  const letGo = () => { for (const key of [...held]) hold(key, false); };
  const keyed = (event) => {
    const key = KEYS[event.code];
    if (key && event.type === "keyup") { hold(key, false); return; } // whatever else is pressed, the wheel must turn back
    if (!key || event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.("input, select, textarea")) return;
    event.preventDefault();
    if (!event.repeat) hold(key, true);
  };
  document.addEventListener("keydown", keyed);
  document.addEventListener("keyup", keyed);
  window.addEventListener("blur", letGo);
  const hidden = () => { letGo(); if (begun && runs) studio.ask("dream.run", { runs: !document.hidden }).catch(failed); };
  document.addEventListener("visibilitychange", hidden);

  function drive(name) {
    who = name;
    you.setAttribute("aria-pressed", who === "you");
    c.setAttribute("aria-pressed", who === "c");
    describe();
    if (begun) studio.ask("dream.who", { who }).catch(failed);
  }

  function run(on) {
    runs = on;
    pause.textContent = runs ? "Pause" : "Go on";
    studio.ask("dream.run", { runs }).catch(failed);
  }

  let about = {};
  function describe() {
    hint.textContent = who === "c"
      ? "C, the smallest of the three networks below, steers both worlds. Press an arrow key to take over."
      : `You steer both worlds at once: ${about.keys ?? "with the arrow keys"}.`;
    const heated = +heat.value.toPrecision(3), where = world.value;
    snippet.set([
      "from mdn.applications.world import WorldModel", "",
      `world = WorldModel.load("${where}")`,
      "real = world.play(steps=200, seed=1)  # C drives",
      `dream = world.dream(steps=200, seed=1, first=real.z[0], variance_temperature=${heated})`,
      "print(real.rewards.sum(), dream.rewards.sum(), dream.frames.shape)", "",
      "# On the command line, as a film:",
      `# mdn generate world${where === "racing" ? " --model racing" : ""} --steps 200 --variance-temperature ${heated} --out dream.gif`,
    ].join("\n"));
  }

  async function begin() {
    begun = false;
    letGo();
    hint.textContent = "The networks are read; the first time takes a while.";
    const seed = Math.floor(Math.random() * 2 ** 31);
    try {
      about = await studio.ask("dream.begin", { world: world.value, who, variance_temperature: heat.value, speed: speed.value, runs: runs && !document.hidden, seed });
    } catch (error) {
      hint.textContent = "";
      return failed(error);
    }
    if (!open) return studio.tell("dream.leave");
    for (const view of Object.values(views)) view.reset(about);
    for (const one of arrows.children) one.disabled = !about.box && ["up", "down"].includes(one.dataset.key);
    begun = true;
    before = performance.now();
    describe();
  }

  const stopHearing = studio.on("dream.frame", (said) => {
    if (begun) for (const name of ["real", "dream"]) if (said[name]) views[name].show(said[name]);
  });
  const measure = setInterval(() => {
    const now = performance.now(), shown = views.dream.count;
    views.dream.count = 0;
    rate.textContent = begun && runs ? `${Math.round((1000 * shown) / (now - before))} frames a second` : "";
    before = now;
  }, 2000);

  root.append(
    h("h1", {}, "Dream"),
    h("p", { class: "lead" }, "On the left is the real world. On the right a network dreams it: from what it saw and what you do it predicts a distribution of what comes next, and draws from it, step after step."),
    h("div", { class: "columns" },
      h("div", { class: "worlds" }, views.real.element, views.dream.element),
      h("aside", {},
        h("div", { class: "panel" }, h("h2", {}, "Who drives"), h("div", { class: "who", role: "group", "aria-label": "Who drives" }, you, c), hint, arrows, h("div", { class: "buttons" }, pause, rate)),
        h("div", { class: "panel" }, h("h2", {}, "The world"), world, heat,
          h("p", { class: "faint" }, "Above 1 the dream is less certain than the network is, and strays; near 0 it takes the likeliest way every time."), speed))),
    h("div", { class: "panel" }, h("h2", {}, "Three small networks"), h("div", { class: "pair" },
      h("p", {}, h("b", {}, "V"), " sees: it turns a picture into a few numbers and paints pictures from them. ", h("b", {}, "M"), " remembers: from those numbers and the action it predicts a mixture of distributions of the next ones. ",
        h("b", {}, "C"), " acts: a linear map from both to the wheel. “Dream from here” gives the dream the numbers and the memory of the real world as they are now; both then hear the same keys, and you see where they part."), snippet)),
  );
  drive("c");
  begin();
  return {
    leave() {
      open = false;
      stopHearing();
      clearInterval(measure);
      document.removeEventListener("keydown", keyed);
      document.removeEventListener("keyup", keyed);
      document.removeEventListener("visibilitychange", hidden);
      window.removeEventListener("blur", letGo);
      studio.tell("dream.leave");
    },
    back: begin,
  };
}
