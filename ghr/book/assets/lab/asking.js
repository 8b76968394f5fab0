// What figures have in common that ask networks: a still and a button at first, then parts that follow the reader.
import { called, link, make, tools } from "../figure.js";
import { list, loading, loads, quiet, seat, size, start } from "./engine.js";

export class Asking {
  // first: what is loaded first, in words; invitation: on the button, of a figure that waits for it.
  constructor(el, first, invitation) {
    this.el = el;
    const names = el.dataset.networks.split(" ");
    this.sets = list.sets.filter(({ name }) => names.includes(name));
    this.set = this.sets.find(({ name }) => name === names[0]);
    this.told = JSON.parse(el.querySelector("script").textContent);
    this.asks = seat();
    this.trouble = make("p", { className: "live-trouble", role: "alert" });
    this.news = make("div", {}, make("progress", { hidden: true, ariaLabel: "Loading" }), make("p"));
    this.bar = loading(this.news);
    this.why = el.querySelector(".live-why");
    this.why.textContent = loads(first);
    el.querySelector("script").remove();
    if (!invitation) return;
    this.opener = this.button(invitation, () => this.begin());
    el.append(buttons(this.opener), this.trouble, this.news);
  }

  // The network of a set that saw the most images, of its usual width; or the one of half A that saw n.
  network(set = this.set, n = undefined) {
    const usual = set.networks.filter(({ half, width }) => half === "A" && width === set.networks[0].width);
    return n === undefined ? usual.at(-1) : usual.find((network) => network.n === n);
  }

  // At its first use a figure loads what answers and what it needs, once; after trouble, anew.
  wake() {
    this.awake ??= (async () => {
      try {
        await start(this.bar);
        await this.load();
        this.why.remove();
      } catch (error) {
        this.awake = null;
        throw error;
      }
    })();
    return this.awake;
  }

  load() {} // what a figure needs besides

  ask(task, rest, tell = this.bar) {
    return this.asks(task, { size, ...rest }, tell);
  }

  // A figure says what it loads, how it is built, and how it begins.
  async begin() {
    this.opener.disabled = true;
    this.trouble.textContent = "";
    try {
      await this.wake();
      quiet(this.news);
      this.build();
      this.ready();
    } catch ({ message }) {
      quiet(this.news);
      this.trouble.textContent = message;
      this.opener.textContent = "Try again";
    }
    this.opener.disabled = false;
  }

  // Work that the reader asks for: one at a time, the last one wins.
  async work(once) {
    this.next = once;
    if (this.busy) return;
    this.busy = true;
    this.el.setAttribute("aria-busy", "true");
    while (this.next) {
      const now = this.next;
      this.next = null;
      this.trouble.textContent = "";
      this.el.result = null;
      try {
        await now();
      } catch ({ message }) {
        this.trouble.textContent = message;
      }
      quiet(this.news);
    }
    this.busy = false;
    this.el.removeAttribute("aria-busy");
  }

  button(textContent, act) {
    const made = make("button", { type: "button", textContent });
    made.addEventListener("click", act);
    return made;
  }

  // What is seen, the controls below it, what is loading or in trouble, and downloads at the end.
  lay(...controls) {
    const why = this.why.isConnected ? [this.why] : []; // nothing is loaded yet
    this.el.replaceChildren(this.stage, ...controls, ...why, this.trouble, this.news);
    tools(this.el, this.stage, () => called(this.el, this.state()), () => this.rows());
  }

  // A canvas, with role and name, over its caption.
  tile(half = "") {
    const canvas = make("canvas", { width: size, height: size, className: "dark-light", role: "img" });
    return make("div", { className: half && `explorer-${half}` }, canvas, make("p"));
  }

  linked() {
    link(this.el, this.state());
  }
}

// Controls in their rows.
export const buttons = (...some) => make("p", { className: "live-buttons" }, ...some);
export const sliders = (...some) => make("div", { className: "explorer-sliders" }, ...some.map(({ element }) => element));

// What a network is called, by its N, or a reader's by its name.
export const titled = (n) => (named(n) ? `the denoiser “${n}”` : `the network of N = ${n.toLocaleString("en")}`);
export const named = (n) => typeof n === "string";
export const bold = (textContent) => make("b", { textContent });
