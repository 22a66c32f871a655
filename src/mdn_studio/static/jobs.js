// The trainings: a button in the bar, and a list with bars that can be stopped.

import { button, h, note } from "./ui.js";

const STATES = { waiting: "waits for its turn", running: "running", done: "done", stopped: "stopped", failed: "failed" };

export function jobsPanel(studio) {
  const open = document.getElementById("jobs-button"), panel = document.getElementById("jobs");
  const list = h("div", {});
  panel.append(h("h2", {}, "Trainings"), list);
  panel.addEventListener("keydown", (event) => { if (event.key === "Escape") { open.click(); open.focus(); } });
  let before = new Map();
  open.addEventListener("click", () => {
    panel.hidden = !panel.hidden;
    open.setAttribute("aria-expanded", !panel.hidden);
  });
  const draw = ({ jobs }) => {
    const busy = jobs.filter((job) => job.state === "running" || job.state === "waiting");
    open.hidden = !jobs.length;
    if (!jobs.length) { panel.hidden = true; open.setAttribute("aria-expanded", "false"); }
    open.textContent = busy.length ? `Training ${Math.round(100 * (busy.find((job) => job.state === "running")?.share ?? 0))} %` : "Trainings";
    rows(list, studio, jobs);
    for (const job of jobs) {
      const was = before.get(job.job);
      if (was && was !== job.state && job.state === "done") note(`${job.title} is trained: ${job.out}`);
      if (was && was !== job.state && job.state === "failed") note(`${job.title}: ${job.note}`, "error");
    }
    before = new Map(jobs.map((job) => [job.job, job.state]));
  };
  studio.on("studio.hello", draw);
  studio.on("jobs.changed", draw);
}

/** Shows trainings in `place`; a row stays the same element while its state does, so that its buttons can be pressed. */
export function rows(place, studio, jobs) {
  const old = new Map([...place.children].map((element) => [element.dataset.job, element]));
  const next = jobs.map((job) => {
    const known = old.get(job.job);
    if (known?.dataset.state !== job.state) return row(studio, job);
    known.update(job);
    return known;
  });
  if (next.length !== place.children.length || next.some((element, i) => element !== place.children[i])) place.replaceChildren(...next);
}

/** Calls `ended` when a training of a page has made a file; returns `{look, end}`: `look(jobs)` is for a list that came otherwise. */
export function whenEnded(studio, page, ended) {
  let done = new Set();
  const look = (jobs) => {
    const now = new Set(jobs.filter((job) => job.page === page && (job.state === "done" || job.state === "stopped")).map((job) => job.job));
    if ([...now].some((one) => !done.has(one))) ended();
    done = now;
  };
  return { look, end: studio.on("jobs.changed", (message) => look(message.jobs)) };
}

/** Shows the newest trainings of a page in `place`, and calls `ended` when one of them has made a file; returns `{show, end}`. */
export function ownJobs(studio, page, place, ended) {
  const { look, end } = whenEnded(studio, page, ended);
  const shown = (jobs) => rows(place, studio, jobs.filter((job) => job.page === page).slice(0, 3));
  const ends = [end, studio.on("jobs.changed", (message) => shown(message.jobs))];
  return { show: (jobs) => { shown(jobs); look(jobs); }, end: () => ends.forEach((one) => one()) };
}

/** One training as an element: its bar, and its buttons. */
export function row(studio, job) {
  const { failed } = studio;
  const busy = job.state === "running" || job.state === "waiting";
  const log = h("pre", { hidden: true }), bar = h("progress", { max: 1, "aria-label": `Share of ${job.title} that is done` }), said = h("p", { class: "faint" });
  const element = h("article", { class: "job", "data-state": job.state, "data-job": job.job },
    h("h3", {}, job.title), bar, said,
    h("p", { class: "buttons" },
      busy ? button("Stop", () => studio.ask("jobs.stop", { job: job.job }).catch(failed)) : button("Forget", () => studio.ask("jobs.forget", { job: job.job }).catch(failed), { class: "quiet" }),
      button("Log", async () => { try { log.textContent = (await studio.ask("jobs.log", { job: job.job })).text; log.hidden = false; } catch (error) { failed(error); } }, { class: "quiet" }),
      job.made ? h("a", { class: "button quiet", href: `/files/${encodeURIComponent(job.out)}`, download: true }, "Download") : null),
    h("code", {}, job.command), log);
  element.update = (now) => {
    bar.value = now.share;
    said.textContent = [STATES[now.state], now.note].filter(Boolean).join(": ");
  };
  element.update(job);
  return element;
}
