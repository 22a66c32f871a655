// MIDI of the browser: a keyboard comes in, the model's notes go out, and nothing goes on sounding when the page is left.

import { button, choice, h } from "../ui.js";

const NONE = "none";
const SILENCE = [[0xb0, 123, 0], [0xb0, 120, 0]]; // all notes off, all sound off

export class Midi {
  /** `heard(bytes)` is called for each message of the device that was chosen. */
  constructor(heard) {
    this.heard = heard;
    this.said = h("p", { class: "faint", role: "status" }, Midi.possible
      ? "A keyboard at this computer can play, and the model can play a synthesiser."
      : "This browser has no WebMIDI, which Chrome, Edge and Firefox have; the pad and the keys play without it.");
    this.input = choice("Keyboard", [[NONE, "None"]], { onchange: (id) => this.#listen(id) });
    this.output = choice("Synthesiser", [[NONE, "None"]], { onchange: (id) => { this.silence(); this.out = this.access?.outputs.get(id) ?? null; } });
    this.ports = h("div", { hidden: true }, this.input, this.output);
    this.ask = Midi.possible ? button("Use MIDI", () => this.open(), { class: "quiet" }) : null;
    this.element = h("div", {}, this.said, this.ask, this.ports);
  }

  static get possible() { return typeof navigator.requestMIDIAccess === "function"; }

  async open() {
    try {
      this.access = await navigator.requestMIDIAccess();
    } catch {
      this.said.textContent = "The browser did not allow MIDI; allow it for this page, and try again.";
      return;
    }
    this.access.onstatechange = () => this.#offer();
    this.#offer();
    this.ports.hidden = false;
    this.ask.hidden = true;
  }

  #offer() {
    const named = (ports) => [[NONE, "None"], ...[...ports.values()].map((one) => [one.id, one.name ?? one.id])];
    this.input.offer(named(this.access.inputs));
    this.output.offer(named(this.access.outputs));
    const count = this.access.inputs.size + this.access.outputs.size;
    this.said.textContent = count ? "Notes from the keyboard are touches of the pad; the model's touches are notes." : "No MIDI device is connected; this list changes when one is.";
    this.#listen(this.input.value);
    this.out = this.access.outputs.get(this.output.value) ?? null;
  }

  #listen(id) {
    for (const one of this.access.inputs.values()) one.onmidimessage = one.id === id ? (event) => this.#came(event.data) : null;
  }

  #came(data) {
    if (data.length <= 3 && data[0] >= 0x80 && data[0] < 0xf0) this.heard([...data]);
  }

  /** Sends messages of the model, `wait` milliseconds from now. */
  send(messages, wait = 0) {
    if (!this.out) return;
    const at = performance.now() + Math.max(0, wait);
    try { for (const one of messages) this.out.send(one, at); } catch { this.out = null; this.said.textContent = "The synthesiser is gone; connect it again."; }
  }

  /** All notes off, now and after those that were sent ahead of time. */
  silence() {
    this.out?.clear?.();
    this.send(SILENCE);
    this.send(SILENCE, 150);
  }

  close() {
    this.silence();
    if (this.access) {
      this.access.onstatechange = null;
      for (const one of this.access.inputs.values()) one.onmidimessage = null;
    }
  }
}
