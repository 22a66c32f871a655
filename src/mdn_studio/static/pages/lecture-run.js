// The trainings of a panel: what comes belongs to the newest one, and ends when the panel shows something else.

export class Training {
  #studio; #panel; #offs; #asked = 0; #run = 0;
  /** Whether one was begun since the panel last showed other data. */
  begun = false;

  /** `frame(news)` gets what networks of these names show of themselves, `ended(stopped)` is called in the end. */
  constructor(studio, panel, nets, { frame, ended }) {
    this.#studio = studio;
    this.#panel = panel;
    this.#offs = [
      studio.on("lecture.frame", (news) => { if (news.run === this.#run && nets.includes(news.net)) frame(news); }),
      studio.on("lecture.ended", (news) => { if (news.run === this.#run) ended(news.stopped); }),
    ];
  }

  /** Asks for a training; holds the answer, or null if another one was asked for, or `drop` called, meanwhile. */
  async begin(kind, fields = {}) {
    const mine = ++this.#asked, answer = await this.#studio.ask(kind, fields);
    if (mine !== this.#asked) return null;
    this.#run = answer.run;
    this.begun = true;
    return answer;
  }

  /** Ends it; what it has learnt stays. */
  stop() { this.#studio.tell("lecture.stop", { panel: this.#panel }); }

  /** Ends it, and shows nothing more of it. */
  drop() {
    this.#asked += 1;
    this.#run = 0;
    this.begun = false;
    this.stop();
  }

  leave() {
    for (const off of this.#offs) off();
    this.stop();
  }
}
