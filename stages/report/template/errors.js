"use strict";
// The browser of errors. A row is [arm, language, category, seen, id, words, gold span, predicted
// span], a span [start, end, type] or []; see packing.py.
(() => {
  const root = document.getElementById("errors");
  if (!root) return;
  const form = root.querySelector("form");
  const E = meta.errors;
  const rows = [], text = [];
  options(form.arm, E.arms.map((a, i) => [i, a]), "any arm");
  options(form.lang, E.languages.map((l, i) => [i, l]), "any language");
  options(form.category, E.categories.map((c) => [c, c.replaceAll("_", " ")]), "any kind");
  options(form.type, meta.types.map((t, i) => [i, t]), "any type");

  function draw(index) {
    const [arm, lang, category, seen, id, joined, gold, predicted] = rows[index];
    const list = words(joined);
    const line = (name, span) => el("div", { class: "sentence" }, el("span", {}, name),
      sentence(list, span.length ? [[...span, 1]] : []));
    return el("article", { class: "card" },
      el("div", { class: "head" }, el("span", { class: "id" }, id),
        el("span", { class: "state-dropped" }, category.replaceAll("_", " ")),
        el("span", {}, `${E.arms[arm]}, ${E.languages[lang]}`),
        seen < 0 ? null : el("span", { class: "muted" }, seen ? "seen in source training data" : "not seen in source training data")),
      line("gold", gold), line("got", predicted));
  }

  function apply() {
    const query = folded(form.text.value).trim();
    const exact = [[0, form.arm.value], [1, form.lang.value]].filter(([, v]) => v !== "");
    const category = form.category.value, type = form.type.value === "" ? null : Number(form.type.value);
    const found = [];
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i];
      if (exact.some(([k, v]) => row[k] !== Number(v))) continue;
      if (category && row[2] !== category) continue;
      if (type !== null && row[6][2] !== type && row[7][2] !== type) continue;
      if (form.seen.value !== "" && row[3] !== Number(form.seen.value)) continue;
      if (query && !text[i].includes(query)) continue;
      found.push(i);
    }
    pager.show(found, rows.length);
    root.dataset.ready = "true";
  }

  const pager = new Pager(root, draw, "errors");
  const later = soon(apply);
  form.addEventListener("input", (e) => (e.target.type === "search" ? later() : apply()));
  form.addEventListener("reset", () => setTimeout(apply));
  form.onsubmit = (event) => { event.preventDefault(); apply(); };
  if (typeof DecompressionStream === "undefined") return;

  // Unpacked when it comes into view: nobody needs it before.
  const start = async () => {
    for (let chunk = 0; chunk < E.chunks; chunk++)
      for (const row of await unpack(`e-${chunk}`)) {
        rows.push(row);
        text.push(folded(`${row[4]} ${row[5]}`).replaceAll("\t", " "));
      }
    apply();
  };
  new IntersectionObserver((entries, observer) => {
    if (entries.some((e) => e.isIntersecting)) { observer.disconnect(); start(); }
  }, { rootMargin: "400px" }).observe(root);
})();
