// The lecture, alive: eight panels, from one bell curve to a network that walks.

import { h } from "../ui.js";
import { hillsPanel, mixturePanel, normalPanel } from "./lecture-bells.js";
import { trainPanels } from "./lecture-train.js";
import { handPanel } from "./lecture-hand.js";
import { armPanel } from "./lecture-arm.js";
import { walkPanel } from "./lecture-walk.js";

export async function mount(root, studio) {
  const style = h("link", { rel: "stylesheet", href: "/static/pages/lecture.css" });
  const styled = new Promise((done) => { style.onload = style.onerror = done; });
  document.head.append(style);
  await styled;
  const about = await studio.ask("lecture.about");
  const normal = normalPanel(studio), mixture = mixturePanel(studio), hills = hillsPanel(studio);
  const heart = trainPanels(studio, about), hand = handPanel(studio, about), arm = armPanel(studio, about), walk = walkPanel(studio, about);
  root.append(
    h("h1", {}, "Networks that answer with distributions"),
    h("p", { class: "lead" }, "Most networks answer with one number. A mixture density network answers with all numbers that may be right, and says how likely each is. Eight panels, each to play with; the mathematics runs in mdn, and each panel shows the lines that do the same."),
    normal.element, mixture.element, hills.element, ...heart.elements, hand.element, arm.element, walk.element,
    h("p", { class: "faint" }, "After Bishop (1994), Mixture Density Networks, NCRG/94/004."));
  return {
    leave() { for (const one of [heart, hand, arm, walk]) one.leave(); style.remove(); },
    back() { for (const one of [normal, mixture, hills, heart, hand, arm, walk]) one.back(); },
  };
}
