// The network that is written by hand, beside its code.

import { button, canvas, code, colour, figures, h, status } from "../ui.js";
import { axes, cloud, curve, heat, panel } from "./lecture-draw.js";
import { Training } from "./lecture-run.js";

export function handPanel(studio, about) {
  let frame = null, loss = [];
  const nll = h("span", {}, "–"), said = status();
  const picture = canvas((context, width, height) => {
    const place = axes(context, width, height, { x: about.across, y: about.up, xlabel: "x", ylabel: "y" });
    if (frame) heat(context, place, frame.heat, about.columns, about.across, about.up);
    cloud(context, place, about.points, 0.2);
  }, { ratio: 0.75, least: 220, most: 700, label: "The density of y for each x that the network by hand has learnt, over the points." });
  const losses = canvas((context, width, height) => {
    const low = Math.min(about.best, ...loss) - 0.3, place = axes(context, width, height, { x: [0, 200], y: [low, Math.max(3.2, ...loss.slice(1, 2))] });
    curve(context, place, [0, 200], [about.best, about.best], { stroke: colour("green"), width: 1.5, dash: [5, 4] });
    curve(context, place, loss.map((_, i) => i + 1), loss, { stroke: colour("blue") });
  }, { ratio: 0.3, least: 110, most: 240, label: "Its loss over the epochs, beside the best possible." });
  const training = new Training(studio, "hand", ["hand"], {
    frame(news) {
      frame = news;
      loss.push(...news.loss);
      nll.textContent = news.nll === null ? "–" : news.nll.toFixed(3);
      said.show(`Epoch ${news.epoch} of 200.`);
      picture.redraw();
      losses.redraw();
    },
    ended(stopped) { said.tell(stopped ? "Stopped." : "Trained: 200 epochs."); },
  });
  async function train() {
    said.tell("Preparing the network; the first time it is compiled, which takes some seconds.");
    try { if (await training.begin("lecture.hand")) loss = []; } catch (error) { said.show(""); studio.failed(error); }
  }
  const go = button("Train it", train);
  const listing = code(about.hand, "The whole network and its loss, to copy");
  listing.open = true;
  return { leave() { training.leave(); }, back() { if (training.begun) train(); },
    element: panel(6, "The net by hand",
      "Nothing in the layer is magic. Three heads side by side say means, scales and logits; the loss takes them apart, writes down the log density of each component, and adds them up in logs.",
      h("div", { class: "halves" }, h("div", { class: "listing" }, listing),
        h("div", {}, h("p", { class: "buttons" }, go), said, picture, losses, figures(["NLL by hand, new data", nll, "blue"], ["best possible", about.best.toFixed(3), "green"]),
          h("p", { class: "faint" }, "It learns the same picture, less well than the layer above: that one also scales the targets, and starts from a mixture that fits them.")))) };
}
