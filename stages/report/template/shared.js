"use strict";
// What both browsers (of sentences and of errors) use. Text from data only ever becomes a text
// node: nothing here builds HTML from strings.
const meta = JSON.parse(document.getElementById("meta").textContent);

function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === false || value === null || value === undefined) continue;
    if (key === "style") node.style.cssText = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children) if (child !== null && child !== undefined) node.append(child);
  return node;
}

// Text is found whatever its case, its letters composed or not.
const folded = (text) => text.toLowerCase().normalize();

function bytes(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text);
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}

async function unpack(id) {
  const node = document.getElementById(id);
  const stream = new Blob([bytes(node.textContent.trim())]).stream()
    .pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

const typeColour = (t) => `--k: var(--c${t % 8})`;
const words = (joined) => (joined === "" ? [] : joined.split("\t"));
const score = (thousandths) => (thousandths < 0 ? "–" : (Math.floor((thousandths + 5) / 10) / 100).toFixed(2));
const number = (n) => n.toLocaleString("en");

// The direction of most letters: by the first one alone, Hebrew that begins with a name in Latin letters
// would run from left to right.
function direction(text) {
  const letters = text.match(/\p{L}/gu) ?? [];
  const leftwards = letters.filter((c) => /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{1e800}-\u{1efff}]/u.test(c));
  return 2 * leftwards.length > letters.length ? "rtl" : "ltr";
}

// Words with their spans marked. A span is [start, end, type, kept]; where spans overlap (one of
// them was dropped) the kept one is drawn.
function sentence(list, spans) {
  const box = el("div", { class: "words", dir: direction(list.join("")) });
  if (!list.length) box.append(el("span", { class: "muted" }, "(no words)"));
  const at = new Array(list.length).fill(null);
  for (const span of [...spans].sort((a, b) => a[3] - b[3]))
    for (let i = span[0]; i < span[1]; i++) at[i] = span;
  for (let i = 0; i < list.length; ) {
    const span = at[i];
    let end = i + 1;
    while (end < list.length && at[end] === span && span) end++;
    const text = list.slice(i, end).join(" ");
    if (!span) box.append(text);
    else box.append(el("mark", { class: span[3] ? null : "dropped", style: typeColour(span[2]) },
      el("i", {}, text),
      el("b", {}, meta.types[span[2]] + (span[3] ? "" : " ✗"))));
    if (end < list.length) box.append(" ");
    i = end;
  }
  return box;
}

function options(select, values, all) {
  select.replaceChildren(...(all ? [el("option", { value: "" }, all)] : []),
    ...values.map(([value, label]) => el("option", { value }, label)));
}

// Pages through a list of row numbers; `draw(row)` makes the element of one row.
class Pager {
  constructor(root, draw, what) {
    this.root = root; this.draw = draw; this.what = what;
    this.rows = []; this.page = 0;
    this.list = root.querySelector(".list");
    this.count = root.querySelector("output");
    [this.first, this.previous, this.next, this.last] =
      ["first", "previous", "next", "last"].map((n) => root.querySelector(`[data-go=${n}]`));
    this.input = root.querySelector(".pager input");
    this.size = root.querySelector("[data-size]");
    this.more = root.querySelector("[data-more]");
    this.first.onclick = () => this.go(0);
    this.previous.onclick = () => this.turn(-1);
    this.next.onclick = this.more.onclick = () => this.turn(1);
    this.last.onclick = () => this.go(this.pages() - 1);
    this.input.onchange = () => this.go(Number(this.input.value) - 1);
    this.size.onchange = () => this.go(0);
  }
  pages() { return Math.max(1, Math.ceil(this.rows.length / Number(this.size.value))); }
  show(rows, total) { this.rows = rows; this.total = total; this.go(0); }
  // The next or previous page, from its beginning: whoever has read to the end of one is down there.
  turn(by) {
    this.go(this.page + by);
    const bar = this.root.querySelector(".pager");
    if (bar.getBoundingClientRect().top < 0) {
      bar.scrollIntoView();
      if (document.activeElement === this.more) this.next.focus({ preventScroll: true });
    }
  }
  go(page) {
    const size = Number(this.size.value);
    this.page = Math.min(Math.max(0, page || 0), this.pages() - 1);
    const from = this.page * size;
    const shown = this.rows.slice(from, from + size);
    this.list.replaceChildren(...shown.map((row) => this.draw(row)));
    const range = shown.length ? `${number(from + 1)}–${number(from + shown.length)} of ` : "";
    this.count.textContent = `${range}${number(this.rows.length)} ${this.what}` +
      (this.rows.length === this.total ? "" : ` (${number(this.total)} in all)`);
    this.input.value = this.page + 1;
    this.input.max = this.pages();
    this.root.querySelector("[data-pages]").textContent = `of ${number(this.pages())}`;
    this.first.disabled = this.previous.disabled = this.page === 0;
    this.next.disabled = this.last.disabled = this.page >= this.pages() - 1;
    this.more.hidden = this.next.disabled;
  }
}

const soon = (action) => { let timer; return () => { clearTimeout(timer); timer = setTimeout(action, 60); }; };

// Theme: as the system says, until the reader chooses.
(() => {
  const root = document.documentElement, button = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try { chosen = localStorage.getItem("xlner-theme"); } catch { /* not every file may store */ }
  const apply = () => {
    const now = chosen || (dark.matches ? "dark" : "light");
    root.dataset.theme = now;
    button.textContent = now === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to ${now === "dark" ? "light" : "dark"} colours`);
  };
  button.onclick = () => {
    chosen = root.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem("xlner-theme", chosen); } catch { /* see above */ }
    apply();
  };
  dark.addEventListener("change", apply);
  apply();
})();
