// The sound of a jam: a few synthesised voices, a room around them, and silence when it is asked for.

const BEND = 200; // cents for a move over the whole pad, as MIDI's pitch wheel
const frequency = (note) => 440 * 2 ** ((note - 69) / 12);

/** Each voice makes its oscillators for one note: `partials` of [ratio, level, seconds until it has faded or 0], and its filter. */
const VOICES = {
  bell: { wave: "sine", attack: 0.003, release: 0.5, partials: [[1, 0.55, 2.6], [2.76, 0.25, 1.3], [5.4, 0.12, 0.7]], bright: 2 },
  reed: { wave: "sawtooth", attack: 0.02, release: 0.09, partials: [[1, 0.3, 0], [1.005, 0.22, 0], [0.5, 0.12, 0]], bright: 1 },
  marimba: { wave: "sine", attack: 0.002, release: 0.16, partials: [[1, 0.75, 0.9], [3.93, 0.2, 0.22], [9.2, 0.06, 0.07]], bright: 2 },
  glass: { wave: "sine", attack: 0.05, release: 0.6, partials: [[1, 0.42, 0], [2.003, 0.14, 0], [3.01, 0.07, 0]], bright: 2, vibrato: 7 },
  strings: { wave: "sawtooth", attack: 0.09, release: 0.3, partials: [[1, 0.26, 0], [0.996, 0.24, 0], [1.004, 0.24, 0]], bright: 0.8, vibrato: 5 },
};
export const NAMES = Object.keys(VOICES);

export class Sound {
  #context = null;

  constructor(notes = [60]) {
    this.notes = notes;
    this.level = 0.7;
    this.voices = { player: "marimba", model: "bell" };
    this.sounding = { player: null, model: null };
  }

  static get possible() { return Boolean(window.AudioContext ?? window.webkitAudioContext); }

  get running() { return this.#context?.state === "running"; }

  /** Begins to sound; browsers want a touch or a key before. */
  wake() {
    if (!Sound.possible) return;
    if (!this.#context) this.#build();
    if (!this.running) this.#context.resume().catch(() => {}); // "suspended", and on iPhones "interrupted", as by a call
  }

  #build() {
    const context = (this.#context = new (window.AudioContext ?? window.webkitAudioContext)({ latencyHint: "interactive" }));
    this.master = context.createGain();
    this.master.gain.value = this.level;
    const held = context.createDynamicsCompressor();
    this.master.connect(held).connect(context.destination);
    const room = context.createConvolver(), wet = context.createGain();
    wet.gain.value = 0.22;
    room.buffer = this.#room(1.7);
    room.connect(wet).connect(this.master);
    this.places = {};
    for (const [who, pan] of [["player", -0.3], ["model", 0.3]]) {
      const place = context.createStereoPanner();
      place.pan.value = pan;
      place.connect(this.master);
      place.connect(room);
      this.places[who] = place;
    }
  }

  #room(seconds) {
    const length = Math.round(this.#context.sampleRate * seconds), buffer = this.#context.createBuffer(2, length, this.#context.sampleRate);
    for (const channel of [0, 1]) {
      const data = buffer.getChannelData(channel);
      for (let i = 0; i < length; i++) data[i] = (2 * Math.random() - 1) * (1 - i / length) ** 3;
    }
    return buffer;
  }

  volume(level) {
    this.level = level;
    if (this.#context) this.master.gain.setTargetAtTime(level, this.#context.currentTime, 0.02);
  }

  /** A note at (x, y) begins, `wait` milliseconds from now. */
  begin(who, x, y, wait = 0) {
    this.end(who, wait);
    if (!this.#context || (who === "model" && !this.running)) return; // the first touch of all waits until the sound has begun
    const context = this.#context, at = context.currentTime + Math.max(0, wait) / 1000, kind = VOICES[this.voices[who]];
    const note = this.notes[Math.min(this.notes.length - 1, Math.floor(x * this.notes.length))], base = frequency(note);
    const out = context.createGain(), filter = context.createBiquadFilter(), detune = context.createConstantSource();
    filter.type = "lowpass";
    filter.Q.value = 0.8;
    out.gain.setValueAtTime(0, at);
    out.gain.linearRampToValueAtTime(0.28 + 0.42 * y, at + kind.attack);
    detune.offset.value = 0;
    detune.start(at);
    const sources = [detune];
    for (const [ratio, level, fades] of kind.partials) {
      const oscillator = context.createOscillator(), share = context.createGain();
      oscillator.type = kind.wave;
      oscillator.frequency.value = base * ratio;
      detune.connect(oscillator.detune);
      share.gain.setValueAtTime(level, at);
      if (fades) share.gain.setTargetAtTime(0, at + kind.attack, fades / 4);
      oscillator.connect(share).connect(filter);
      oscillator.start(at);
      sources.push(oscillator);
    }
    if (kind.vibrato) {
      const slow = context.createOscillator(), depth = context.createGain();
      slow.frequency.value = 5.2;
      depth.gain.setValueAtTime(0, at);
      depth.gain.linearRampToValueAtTime(kind.vibrato, at + 0.6);
      slow.connect(depth);
      for (const one of sources.slice(1)) depth.connect(one.detune);
      slow.start(at);
      sources.push(slow);
    }
    filter.connect(out).connect(this.places[who]);
    this.sounding[who] = { out, filter, detune, sources, first: x, kind, base, full: at + kind.attack };
    this.#shape(this.sounding[who], y, at, 0);
  }

  #shape(one, y, at, glide) {
    const cutoff = Math.min(16000, one.base * 2 ** (1 + one.kind.bright + 2.6 * (1 - y)));
    one.filter.frequency.setTargetAtTime(cutoff, at, glide);
  }

  /** The note that sounds moves to (x, y); without one, one begins. */
  move(who, x, y, wait = 0) {
    const one = this.sounding[who];
    if (!one) return this.begin(who, x, y, wait);
    const at = this.#context.currentTime + Math.max(0, wait) / 1000;
    one.detune.offset.setTargetAtTime(BEND * (x - one.first), at, 0.012);
    this.#shape(one, y, at, 0.012);
  }

  end(who, wait = 0) {
    const one = this.sounding[who];
    this.sounding[who] = null;
    if (!one) return;
    const { release } = one.kind, at = Math.max(one.full, this.#context.currentTime + Math.max(0, wait) / 1000); // a short tap is heard, too
    one.out.gain.setTargetAtTime(0, at, release / 3);
    for (const source of one.sources) source.stop(at + 3 * release);
    one.sources.at(-1).onended = () => one.out.disconnect();
  }

  silence() {
    for (const who of ["player", "model"]) this.end(who);
  }

  /** Silence for good: the page is left. */
  close() {
    this.silence();
    this.#context?.close();
    this.#context = null;
  }
}
