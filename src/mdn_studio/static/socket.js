// The socket to the server: questions and their answers, news, and coming back by itself when the server was gone.

const PATIENCE = 120_000; // milliseconds until a question without an answer fails
const LARGEST = 2 ** 20; // characters of a message; the server's limit

export class Socket {
  #socket = null;
  #questions = new Map();
  #news = new Map();
  #next = 1;
  #tries = 0;
  #waiting = [];
  #closed = false;
  onState = () => {};

  constructor() {
    this.#connect();
    window.addEventListener("pagehide", () => { this.#closed = true; });
    window.addEventListener("pageshow", () => { this.#closed = false; this.#again(true); });
    window.addEventListener("online", () => this.#again(true));
  }

  get connected() { return this.#socket?.readyState === WebSocket.OPEN; }

  /** Asks the server; the promise holds the answer's fields, or an Error whose message is a sentence. */
  ask(kind, fields = {}) {
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      const text = JSON.stringify({ ...fields, kind, id });
      if (text.length > LARGEST) return reject(new Error("this is more than one message may hold (1 MB); send less at once."));
      const timer = setTimeout(() => this.#settle(id, { kind: "error", sentence: "the studio did not answer in time." }), PATIENCE);
      this.#questions.set(id, { resolve, reject, timer });
      if (this.connected) this.#socket.send(text);
      else if (this.#waiting.length < 50) this.#waiting.push(text);
      else this.#settle(id, { kind: "error", sentence: "the studio does not answer; it may have been closed." });
    });
  }

  /** Sends without asking for an answer; an error comes as news of kind "error". Dropped while there is no connection. */
  tell(kind, fields = {}) { if (this.connected) this.#socket.send(JSON.stringify({ ...fields, kind })); }

  /** Calls `listener(fields)` for each message of a kind that answers no question; returns the function that ends that. */
  on(kind, listener) {
    const all = this.#news.get(kind) ?? new Set();
    this.#news.set(kind, all.add(listener));
    return () => all.delete(listener);
  }

  #connect() {
    const socket = new WebSocket(`ws://${location.host}/socket`);
    this.#socket = socket;
    socket.onopen = () => { for (const text of this.#waiting.splice(0)) socket.send(text); };
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      if (message.kind === "studio.hello") { const back = this.#tries > 0; this.#tries = 0; this.onState("open", back); }
      if (message.id !== undefined) this.#settle(message.id, message);
      else for (const listener of this.#news.get(message.kind) ?? []) listener(message);
    };
    socket.onclose = (event) => {
      const why = event.code === 4429 ? event.reason : event.code === 1009 ? "the last message was too long for the studio." : "";
      for (const id of [...this.#questions.keys()]) this.#settle(id, { kind: "error", sentence: why || "the studio was closed before it answered." });
      this.#waiting = [];
      this.#again(false, why);
    };
  }

  #again(now, why = "") {
    if (this.#closed || this.connected || this.#socket.readyState === WebSocket.CONNECTING) return;
    this.#tries += 1;
    this.onState("away", false, why);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { if (!this.connected) this.#connect(); }, now ? 0 : Math.min(3000, 250 * 1.5 ** this.#tries));
  }

  #settle(id, message) {
    const question = this.#questions.get(id);
    if (!question) return;
    this.#questions.delete(id);
    clearTimeout(question.timer);
    if (message.kind === "error") question.reject(new Error(message.sentence));
    else question.resolve(message);
  }
}

/**
 * A question of which the newest counts: while one is under way, later ones replace each other.
 *
 * `ask(...args)` asks it, and `show(answer, ...args)` gets the answer, unless `.drop()` of the result was called meanwhile: a page calls
 * that when the question is about something that it does not show any more.
 */
export function newest(ask, show = () => {}, failed = () => {}) {
  let busy = false, next = null, turn = 0;
  async function call(...args) {
    next = args;
    if (busy) return;
    busy = true;
    while (next) {
      const now = next, mine = turn;
      next = null;
      try {
        const answer = await ask(...now);
        if (mine === turn) await show(answer, ...now);
      } catch (error) { if (mine === turn) failed(error); }
    }
    busy = false;
  }
  call.drop = () => { turn += 1; next = null; };
  return call;
}
