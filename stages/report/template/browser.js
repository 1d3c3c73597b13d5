"use strict";
// The browser of projected sentences. A row is
// [id, kept, reason, source words, target words, source spans (start, end, type), target spans
// (start, end, type, score, kept, reason, source, method), lost (source, reason), doubts (kind,
// span, text), weight of the doubts, gold spans (start, end, type) or null]; see packing.py.
const ID = 0, KEPT = 1, REASON = 2, SOURCE = 3, TARGET = 4, SSPANS = 5, SPANS = 6, LOST = 7,
  DOUBTS = 8, WEIGHT = 9, GOLD = 10;

// What the filters look at, in columns: numbers in typed arrays, and the text of a chunk as one
// string, so that 50,000 sentences are searched without touching their rows.
class Columns {
  static LOSS = 2000;  // score of a sentence without any: after all others
  constructor(rows) {
    this.count = 0;
    this.flags = new Uint8Array(rows);  // 1 kept, 2 something dropped, 4 doubted, 8 proved wrong
    this.reason = new Int16Array(rows);
    this.low = new Int16Array(rows).fill(Columns.LOSS);
    this.weight = new Int16Array(rows);
    this.length = new Int32Array(rows);
    // What there is to say about a single span or source entity: row, type, reason, score.
    this.of = []; this.type = []; this.why = []; this.score = [];
    this.orders = {};
    this.texts = [];  // {text, starts, first}: a chunk's lower-case text, and where its rows start
  }
  add(rows) {
    const first = this.count, starts = new Int32Array(rows.length);
    const pieces = [];
    let at = 0;
    rows.forEach((row, k) => {
      const i = first + k, spans = row[SPANS], lost = row[LOST], source = row[SSPANS];
      let low = Columns.LOSS, dropped = !row[KEPT] || lost.length > 0;
      for (let s = 0; s < spans.length; s += 8) {
        if (spans[s + 3] >= 0 && spans[s + 3] < low) low = spans[s + 3];
        if (!spans[s + 4]) dropped = true;
        this.entity(i, spans[s + 2], spans[s + 5], spans[s + 3]);
      }
      for (let x = 0; x < lost.length; x += 2) this.entity(i, source[lost[x] * 3 + 2], lost[x + 1], -2);
      // A sentence that nothing was projected on to still has its source entities.
      if (!spans.length && !lost.length)
        for (let s = 2; s < source.length; s += 3) this.entity(i, source[s], -1, -2);
      // A sentence as a whole may have been dropped for a reason that no entity has.
      if (row[REASON] >= 0) this.entity(i, -1, row[REASON], -2);
      let wrong = false;
      for (let d = 0; d < row[DOUBTS].length; d += 3) wrong ||= meta.doubts[row[DOUBTS][d]].certain;
      this.flags[i] = (row[KEPT] ? 1 : 0) | (dropped ? 2 : 0) |
        (row[KEPT] && row[DOUBTS].length ? 4 : 0) | (wrong ? 8 : 0);
      this.reason[i] = row[REASON];
      this.low[i] = low;
      this.weight[i] = row[WEIGHT];
      this.length[i] = row[TARGET].length;
      const piece = folded(`${row[ID]}\t${row[SOURCE]}\t${row[TARGET]}\n`);
      starts[k] = at;
      at += piece.length;
      pieces.push(piece);
    });
    this.texts.push({ text: pieces.join("").replaceAll("\t", " "), starts, first });
    this.count += rows.length;
    this.orders = {};
  }
  entity(row, type, reason, score) {
    this.of.push(row); this.type.push(type); this.why.push(reason); this.score.push(score);
  }
  // Marks the rows whose text holds `query`.
  search(query) {
    const found = new Uint8Array(this.count);
    for (const { text, starts, first } of this.texts) {
      let row = 0;
      for (let at = text.indexOf(query); at >= 0; ) {
        while (row + 1 < starts.length && starts[row + 1] <= at) row++;
        found[first + row] = 1;
        at = row + 1 < starts.length ? text.indexOf(query, starts[row + 1]) : -1;
      }
    }
    return found;
  }
  // Marks the rows with one entity (or loss) for which all conditions hold; null is any.
  entities(type, reason, least, most) {
    const found = new Uint8Array(this.count), scored = least !== null || most !== null;
    for (let k = 0; k < this.of.length; k++) {
      if (type !== null && this.type[k] !== type) continue;
      if (reason !== null && this.why[k] !== reason) continue;
      if (scored && this.score[k] < 0) continue;
      if (least !== null && this.score[k] < least) continue;
      if (most !== null && this.score[k] > most) continue;
      found[this.of[k]] = 1;
    }
    return found;
  }
  // All rows in an order, which is made once.
  order(name) {
    const compare = {
      low: (a, b) => this.low[a] - this.low[b] || a - b,
      high: (a, b) => (this.low[b] % Columns.LOSS) - (this.low[a] % Columns.LOSS) || a - b,
      long: (a, b) => this.length[b] - this.length[a] || a - b,
      doubt: (a, b) => this.weight[b] - this.weight[a] || a - b,
    }[name];
    if (!this.orders[name]) {
      const all = Uint32Array.from({ length: this.count }, (_, i) => i);
      this.orders[name] = compare ? all.sort(compare) : all;
    }
    return this.orders[name];
  }
}

(() => {
  const root = document.getElementById("browser");
  if (!root) return;
  const form = root.querySelector("form");
  const status = root.querySelector("[role=status]");
  const loaded = {};      // language -> {rows, columns, done, ready}
  const links = {};       // chunk id -> rows
  let current = null;

  options(form.lang, meta.languages.map((l) => [l.code, `${l.name} (${number(l.rows)})`]));
  options(form.type, meta.types.map((t, i) => [i, t]), "any type");
  options(form.reason, meta.reasons.map((r, i) => [i, r.name]), "any reason");

  function load(lang) {
    loaded[lang] ||= start(lang);
    return loaded[lang].ready;
  }

  function start(lang) {
    const about = meta.languages.find((l) => l.code === lang);
    const data = { rows: [], columns: new Columns(about.rows), done: false };
    data.ready = (async () => {
      for (let chunk = 0; chunk < about.chunks; chunk++) {
        const rows = await unpack(`s-${lang}-${chunk}`);
        for (const row of rows) data.rows.push(row);
        data.columns.add(rows);
        if (current === lang) {
          status.textContent = chunk + 1 < about.chunks ? `loading … ${number(data.rows.length)}` : "";
          if (chunk === 0) apply();
        }
      }
      data.done = true;
      if (current === lang) apply();
    })();
    return data;
  }

  const numeric = (field, factor = 1) => (field.value === "" ? null : Number(field.value) * factor);
  const FLAGS = { "": [0, 0], kept: [1, 1], dropped: [1, 0], some: [2, 2], likely: [4, 4], wrong: [8, 8] };

  function apply() {
    const data = loaded[current], columns = data.columns;
    const begin = performance.now();
    const type = numeric(form.type), reason = numeric(form.reason);
    const least = numeric(form.least, 1000), most = numeric(form.most, 1000);
    const text = folded(form.text.value).trim();
    const [mask, value] = FLAGS[form.state.value];
    const masks = [];
    if (text) masks.push(columns.search(text));
    // All conditions on a span must hold for one and the same span, as in inspect_labels.
    if (type !== null || reason !== null || least !== null || most !== null)
      masks.push(columns.entities(type, reason, least, most));
    const found = [];
    for (const i of columns.order(form.sort.value)) {
      if ((columns.flags[i] & mask) !== value) continue;
      if (masks.every((m) => m[i])) found.push(i);
    }
    const filtered = performance.now();
    pager.show(found, data.rows.length);
    for (const button of presets.querySelectorAll("button"))
      button.setAttribute("aria-pressed", String(button.value === form.state.value));
    root.dataset.ms = (performance.now() - begin).toFixed(1);
    root.dataset.filterMs = (filtered - begin).toFixed(1);
    root.dataset.ready = String(data.done);
  }

  function draw(index) {
    const lang = current, row = loaded[lang].rows[index];
    const source = words(row[SOURCE]), target = words(row[TARGET]);
    const sspans = triples(row[SSPANS]), spans = eights(row[SPANS]);
    const button = el("button", { type: "button", "aria-expanded": "false" }, "Alignment");
    const detail = el("div", { hidden: true, class: "scroll", tabindex: "0", "aria-label": "alignment matrix" });
    button.onclick = async () => {
      const open = detail.hidden;
      detail.hidden = !open;
      button.setAttribute("aria-expanded", String(open));
      if (open && !detail.childElementCount)
        detail.append(matrix(source, target, sspans, spans, await linksOf(lang, index)));
    };
    return el("article", { class: "card" },
      el("div", { class: "head" },
        el("span", { class: "id" }, row[ID]),
        el("span", { class: row[KEPT] ? "state-kept" : "state-dropped" }, row[KEPT] ? "✓ kept" : "✗ dropped"),
        row[REASON] >= 0 ? el("span", {}, reasonText(row[REASON])) : null,
        button),
      el("div", { class: "sentence" }, el("span", {}, meta.source), sentence(source, sspans.map((s) => [...s, 1]))),
      el("div", { class: "sentence" }, el("span", {}, lang),
        sentence(target, spans.map((s) => [s[0], s[1], s[2], s[4]]))),
      row[GOLD] ? el("div", { class: "sentence" }, el("span", {}, "gold"),
        sentence(target, triples(row[GOLD]).map((s) => [...s, 1]))) : null,
      doubts(target, spans, row[DOUBTS]),
      table(source, target, sspans, spans, row[LOST]), detail);
  }

  const reasonText = (r) => `${meta.reasons[r].name} (${meta.reasons[r].about})`;
  const triples = (flat) => { const out = []; for (let i = 0; i < flat.length; i += 3) out.push(flat.slice(i, i + 3)); return out; };
  const eights = (flat) => { const out = []; for (let i = 0; i < flat.length; i += 8) out.push(flat.slice(i, i + 8)); return out; };
  const part = (list, span) => el("bdi", {}, list.slice(span[0], span[1]).join(" "));

  // Why a label is wrong, or may be, in words.
  function doubts(target, spans, flat) {
    const items = [];
    for (let i = 0; i < flat.length; i += 3) {
      const kind = meta.doubts[flat[i]], span = spans[flat[i + 1]];
      items.push(el("li", { class: kind.certain ? "certain" : null },
        span ? el("b", {}, part(target, span), ": ") : null, kind.about,
        flat[i + 2] ? ": " : null, flat[i + 2] ? el("bdi", {}, flat[i + 2]) : null));
    }
    return items.length ? el("ul", { class: "doubts" }, ...items) : null;
  }

  function table(source, target, sspans, spans, lost) {
    const body = el("tbody");
    // On a phone the rows are laid out anew, and would be no table to a screen reader without roles.
    const add = (type, ...cells) => body.append(el("tr", { role: "row" },
      el("td", { role: "cell" }, el("b", { style: `${typeColour(type)}; color: var(--k)` }, meta.types[type])),
      ...cells.map((c) => el("td", { role: "cell" }, c))));
    const state = (s) => s[4] ? el("span", { class: "state-kept" }, "kept")
      : el("span", { class: "state-dropped" }, `dropped: ${s[5] < 0 ? "" : reasonText(s[5])}`);
    const method = (s) => (s[7] < 0 ? "" : meta.methods[s[7]]);
    sspans.forEach((from, i) => {
      for (const s of spans) if (s[6] === i)
        add(s[2], part(source, from), part(target, s), score(s[3]), state(s), method(s));
      for (let j = 0; j < lost.length; j += 2) if (lost[j] === i)
        add(from[2], part(source, from), "–", "", el("span", { class: "state-dropped" }, `lost: ${reasonText(lost[j + 1])}`), "");
    });
    for (const s of spans) if (s[6] < 0) add(s[2], "–", part(target, s), score(s[3]), state(s), method(s));
    return body.childElementCount ? el("div", { class: "scroll" }, el("table", { class: "labels", role: "table" },
      el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...["type", "source", "target", "score", "decision", "by"].map((h) => el("th", { scope: "col", role: "columnheader" }, h)))),
      body)) : null;
  }

  async function linksOf(lang, index) {
    const id = `l-${lang}-${Math.floor(index / meta.chunk)}`;
    links[id] ||= await unpack(id);
    return links[id][index % meta.chunk];
  }

  // Source words are rows, target words columns; a projected span frames its words on both sides.
  function matrix(source, target, sspans, spans, flat) {
    if (!source.length || !target.length) return el("p", { class: "muted" }, "There is nothing to align.");
    const prob = new Map();
    for (let i = 0; i < flat.length; i += 3) prob.set(flat[i] * target.length + flat[i + 1], flat[i + 2]);
    const rowSpan = source.map((_, i) => sspans.find((s) => s[0] <= i && i < s[1]));
    const columnSpan = target.map((_, i) => spans.find((s) => s[4] && s[0] <= i && i < s[1]) ||
      spans.find((s) => s[0] <= i && i < s[1]));
    const head = (word, span, scope, turned) => el("th", { scope, class: span ? "entity" : null,
      style: span ? typeColour(span[2]) : null }, turned ? el("span", {}, word) : el("bdi", {}, word));
    const body = source.map((word, i) => el("tr", {}, head(word, rowSpan[i], "row", false),
      ...target.map((other, j) => {
        const p = prob.get(i * target.length + j);
        const pair = spans.find((s) => s[6] >= 0 && s[0] <= j && j < s[1] &&
          sspans[s[6]][0] <= i && i < sspans[s[6]][1]);
        return el("td", {
          class: [p === undefined ? "" : "link", pair ? "pair" : "", pair && !pair[4] ? "dropped" : ""].join(" ").trim() || null,
          style: [p === undefined ? "" : `--p: ${Math.max(15, p)}%`, pair ? typeColour(pair[2]) : ""].filter(Boolean).join(";") || null,
          title: p === undefined ? null : `${word} – ${other}: ${(p / 100).toFixed(2)}`,
        }, p === undefined ? "" : String(p));
      })));
    return el("div", {},
      el("p", { class: "small muted" }, "Rows: source words; columns: target words; numbers: link probability in percent. Frames: projected spans (dashed where dropped)."),
      el("table", { class: "matrix" },
        el("thead", {}, el("tr", {}, el("td", {}), ...target.map((w, j) => head(w, columnSpan[j], "col", true)))),
        el("tbody", {}, ...body)));
  }

  const pager = new Pager(root, draw, "sentences");
  const presets = root.querySelector(".presets");
  const later = soon(apply);
  const about = () => meta.languages.find((l) => l.code === current);

  // What is worth a look, with numbers, for the language that is shown.
  function offer() {
    const l = about();
    const button = (value, label, n) => el("button", { type: "button", value, "aria-pressed": "false" },
      label, el("span", { class: "n" }, number(n)));
    presets.replaceChildren(button("", "All", l.rows), button("likely", "Likely wrong", l.likely),
      l.gold ? button("wrong", "Wrong by gold labels", l.wrong) : "",
      button("some", "Something dropped", l.dropped));
    form.state.querySelector("[value=wrong]").disabled = !l.gold;
  }
  presets.onclick = (event) => {
    const button = event.target.closest("button");
    if (button) show(current, button.value);
  };

  // Shows one language under one preset, all other filters cleared.
  async function show(lang, state) {
    for (const field of [form.type, form.reason, form.least, form.most, form.text]) field.value = "";
    form.state.value = state;
    form.sort.value = state === "likely" || state === "wrong" ? "doubt" : "corpus";
    await change(lang);
  }

  async function change(lang) {
    const other = lang !== current;
    current = form.lang.value = lang;
    if (other) {
      offer();
      if (loaded[lang]?.rows.length) apply();
    }
    await load(lang);
    if (current === lang) apply();
  }

  // Links such as #sentences?lang=de&show=likely lead here from the answer.
  function follow() {
    const [place, query] = location.hash.split("?");
    if (place !== "#sentences" || !query) return false;
    const wanted = new URLSearchParams(query), lang = wanted.get("lang");
    if (!meta.languages.some((l) => l.code === lang)) return false;
    show(lang, wanted.get("show") in FLAGS ? wanted.get("show") : "");
    const section = document.getElementById("sentences");
    section.scrollIntoView();
    section.querySelector("h2").focus({ preventScroll: true });  // the keyboard goes on from there
    return true;
  }
  window.addEventListener("hashchange", follow);
  const look = document.querySelector("#look ul");
  if (look) look.replaceChildren(...meta.languages.map((l) => {
    const link = (show, text) => el("a", { href: `#sentences?lang=${l.code}&show=${show}` }, text);
    return el("li", {}, `${l.name}: `,
      l.gold ? link("wrong", `${number(l.wrong)} proved wrong by gold labels`) : link("likely", `${number(l.likely)} likely wrong`),
      ", ", link("some", `${number(l.dropped)} with something dropped`), ", ", link("", `all ${number(l.rows)}`));
  }));

  form.addEventListener("input", (event) => {
    if (event.target === form.lang) return;
    if (event.target.type === "search" || event.target.type === "number") later(); else apply();
  });
  form.lang.onchange = () => change(form.lang.value);
  form.addEventListener("reset", () => setTimeout(() => { form.lang.value = current; apply(); }));
  form.onsubmit = (event) => { event.preventDefault(); apply(); };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    if (event.key === "/") { event.preventDefault(); form.text.focus(); }
    if (event.key === "n") pager.turn(1);
    if (event.key === "p") pager.turn(-1);
  });
  if (typeof DecompressionStream === "undefined") {
    status.textContent = "This browser cannot unpack the sentences (no DecompressionStream); use one from 2023 or later.";
    return;
  }
  if (!follow()) change(form.lang.value);
})();
