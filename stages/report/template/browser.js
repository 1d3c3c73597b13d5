"use strict";
// The browser of projected sentences. A row is
// [id, kept, reason, source words, target words, source spans (start, end, type), target spans
// (start, end, type, score, kept, reason, source, method), lost (source, reason)]; see packing.py.
const ID = 0, KEPT = 1, REASON = 2, SOURCE = 3, TARGET = 4, SSPANS = 5, SPANS = 6, LOST = 7;

(() => {
  const root = document.getElementById("browser");
  if (!root) return;
  const form = root.querySelector("form");
  const status = root.querySelector("[role=status]");
  const loaded = {};      // language -> {rows, text, low}
  const links = {};       // chunk id -> rows
  let current = null;

  options(form.lang, meta.languages.map((l) => [l.code, `${l.name} (${number(l.rows)})`]));
  options(form.type, meta.types.map((t, i) => [i, t]), "any type");
  options(form.reason, meta.reasons.map((r, i) => [i, r.name]), "any reason");

  async function load(lang) {
    if (loaded[lang]) return loaded[lang];
    const about = meta.languages.find((l) => l.code === lang);
    const data = { rows: [], text: [], low: [], done: false };
    loaded[lang] = data;
    for (let chunk = 0; chunk < about.chunks; chunk++) {
      for (const row of await unpack(`s-${lang}-${chunk}`)) {
        data.rows.push(row);
        data.text.push(`${row[ID]}\t${row[SOURCE]}\t${row[TARGET]}`.toLowerCase().replaceAll("\t", " "));
        let low = 2000;
        for (let i = 3; i < row[SPANS].length; i += 8)
          if (row[SPANS][i] >= 0 && row[SPANS][i] < low) low = row[SPANS][i];
        data.low.push(low);
      }
      if (current === lang) {
        status.textContent = chunk + 1 < about.chunks ? `loading … ${number(data.rows.length)}` : "";
        if (chunk === 0) apply();
      }
    }
    data.done = true;
    if (current === lang) apply();
    return data;
  }

  // All conditions on a span must hold for one and the same span, as in inspect_labels.
  function condition() {
    const type = form.type.value === "" ? null : Number(form.type.value);
    const reason = form.reason.value === "" ? null : Number(form.reason.value);
    const state = form.state.value;
    const least = form.least.value === "" ? null : Number(form.least.value) * 1000;
    const most = form.most.value === "" ? null : Number(form.most.value) * 1000;
    const text = form.text.value.toLowerCase().trim();
    const scored = least !== null || most !== null;
    const ofSpan = type !== null || reason !== null || scored;
    return (row, lower) => {
      if (text && !lower.includes(text)) return false;
      if (state === "kept" && !row[KEPT]) return false;
      if (state === "dropped" && row[KEPT]) return false;
      if (state === "some") {
        let some = !row[KEPT] || row[LOST].length > 0;
        for (let i = 4; i < row[SPANS].length && !some; i += 8) some = !row[SPANS][i];
        if (!some) return false;
      }
      if (!ofSpan) return true;
      if (type === null && !scored && row[REASON] === reason) return true;
      const spans = row[SPANS];
      for (let i = 0; i < spans.length; i += 8) {
        if (type !== null && spans[i + 2] !== type) continue;
        if (reason !== null && spans[i + 5] !== reason) continue;
        if (least !== null && !(spans[i + 3] >= least)) continue;
        if (most !== null && !(spans[i + 3] >= 0 && spans[i + 3] <= most)) continue;
        return true;
      }
      if (scored) return false;
      const lost = row[LOST];
      for (let i = 0; i < lost.length; i += 2) {
        if (reason !== null && lost[i + 1] !== reason) continue;
        if (type !== null && row[SSPANS][lost[i] * 3 + 2] !== type) continue;
        return true;
      }
      // A sentence that nothing was projected on to still has its source entities.
      if (type !== null && reason === null && !spans.length && !lost.length)
        for (let i = 2; i < row[SSPANS].length; i += 3) if (row[SSPANS][i] === type) return true;
      return false;
    };
  }

  const orders = {
    corpus: null,
    low: (data) => (a, b) => data.low[a] - data.low[b] || a - b,
    high: (data) => (a, b) => (data.low[b] % 2000) - (data.low[a] % 2000) || a - b,
    long: (data) => (a, b) => data.rows[b][TARGET].length - data.rows[a][TARGET].length || a - b,
  };

  function apply() {
    const data = loaded[current];
    const begin = performance.now();
    const fits = condition();
    const found = [];
    for (let i = 0; i < data.rows.length; i++) if (fits(data.rows[i], data.text[i])) found.push(i);
    const order = orders[form.sort.value];
    if (order) found.sort(order(data));
    pager.show(found, data.rows.length);
    root.dataset.ms = (performance.now() - begin).toFixed(1);
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
      table(source, target, sspans, spans, row[LOST]), detail);
  }

  const reasonText = (r) => `${meta.reasons[r].name} (${meta.reasons[r].about})`;
  const triples = (flat) => { const out = []; for (let i = 0; i < flat.length; i += 3) out.push(flat.slice(i, i + 3)); return out; };
  const eights = (flat) => { const out = []; for (let i = 0; i < flat.length; i += 8) out.push(flat.slice(i, i + 8)); return out; };
  const part = (list, span) => el("bdi", {}, list.slice(span[0], span[1]).join(" "));

  function table(source, target, sspans, spans, lost) {
    const body = el("tbody");
    const add = (type, ...cells) => body.append(el("tr", {},
      el("td", {}, el("b", { style: `${typeColour(type)}; color: var(--k)` }, meta.types[type])),
      ...cells.map((c) => el("td", {}, c))));
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
    return body.childElementCount ? el("div", { class: "scroll" }, el("table", {},
      el("thead", {}, el("tr", {}, ...["type", "source", "target", "score", "decision", "by"].map((h) => el("th", { scope: "col" }, h)))),
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
  const later = soon(apply);
  form.addEventListener("input", (event) => {
    if (event.target === form.lang) return;
    if (event.target.type === "search" || event.target.type === "number") later(); else apply();
  });
  form.lang.onchange = () => { current = form.lang.value; load(current).then(() => current && apply()); };
  form.addEventListener("reset", () => setTimeout(() => { form.lang.value = current; apply(); }));
  form.onsubmit = (event) => { event.preventDefault(); apply(); };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    if (event.key === "/") { event.preventDefault(); form.text.focus(); }
    if (event.key === "n") pager.go(pager.page + 1);
    if (event.key === "p") pager.go(pager.page - 1);
  });
  if (typeof DecompressionStream === "undefined") {
    status.textContent = "This browser cannot unpack the sentences (no DecompressionStream); use one from 2023 or later.";
    return;
  }
  current = form.lang.value;
  load(current);
})();
