// Two individuals: gene by gene (homologous genes have one id), and mask by mask.

const diff = {
  ask: latest(),
  mount(root) { this.root = el("div"); root.append(this.root); this.update(new Set(["id"])); },
  async update(changed) {
    if (!changed.has("id") && !changed.has("b")) return;
    const a = selected() ?? run.best[0]?.id, row = a === undefined ? null : await source.rowOf(a).catch(() => null);
    const b = state.b !== "" ? Number(state.b) : row?.p0 ?? run.best.find((r) => r.id !== a)?.id;
    if (a === undefined || b === undefined || b === null) return put(this.root, el("p", { class: "quiet" }, "Choose an individual, then a second one with “compare” in its panel."));
    this.ask(Promise.all([source.details(a), source.details(b), source.rowOf(a), source.rowOf(b)]), (found) => this.draw(a, b, ...found));
  },
  draw(a, b, left, right, rowA, rowB) {
    const names = ["score", "accuracy", "loss", "bytes", "macs", "weights", "nonzero", "connections", "taps", "long_share", ...onRequest()];
    put(this.root, el("div", { class: "tools" }, el("h1", null, about(a), " against ", about(b)), state.b === "" ? el("small", null, rowA?.p0 === b ? "its first parent; choose another with “compare”" : "the next best; choose another with “compare”") : null, el("button", { onclick: () => go({ id: b, b: a }) }, "swap")),
      el("div", { class: "columns" },
        panel("Measures", null, el("table", null, el("thead", null, el("tr", null, el("th", { class: "l" }, ""), el("th", null, `#${a}`), el("th", null, `#${b}`), el("th", null, "difference"))), el("tbody", null, names.map((n) => { const d = rowA && rowB && rowA[n] !== null && rowB[n] !== null ? rowA[n] - rowB[n] : null, better = moreIsBetter(n) === null || !d ? "" : (d > 0) === moreIsBetter(n) ? "plus" : "minus"; return el("tr", null, el("td", { class: "l" }, word(n)), el("td", null, show(n, rowA?.[n])), el("td", null, show(n, rowB?.[n])), el("td", { class: better }, d === null ? "–" : signed(n, d))); })))),
        panel("Genes", el("small", null, "≠ marks what differs"), this.genes(left, right, a, b))),
      this.masks(left, right, a, b));
    this.root.dataset.a = a; this.root.dataset.b = b;
  },
  pairsOf(left, right) {
    const key = (r) => r.id ? r.id.join(":") : r.place, of = new Map(right.map((r) => [key(r), r])), found = left.map((r) => [r, of.get(key(r)) || null]);
    const used = new Set(left.map(key));
    return [...found, ...right.filter((r) => !used.has(key(r))).map((r) => [null, r])];
  },
  genes(left, right, a, b) {
    const rows = this.pairsOf(left.genes, right.genes), side = (own, other) => own ? [el("div", null, own.text), other ? Object.keys({ ...own.fields, ...other.fields }).filter((k) => JSON.stringify(own.fields[k]) !== JSON.stringify(other.fields[k])).map((k) => el("div", { class: "code changed" }, `${k} ${k in own.fields ? fieldText(own.fields[k]) : "default"}`)) : el("div", { class: "code changed" }, "only here")] : el("span", { class: "quiet" }, "–");
    this.root.dataset.genes = rows.length;
    return el("div", { class: "scroll" }, el("table", null, el("thead", null, el("tr", null, el("th", { class: "l" }, "gene"), el("th", { class: "l" }, `#${a}`), el("th", { class: "l" }, `#${b}`))), el("tbody", null, rows.map(([l, r]) => el("tr", null, el("td", { class: "l" }, (l || r).place, (l || r).id ? el("div", null, el("small", null, (l || r).id.join(":"))) : null), el("td", { class: "wrap" }, side(l, r)), el("td", { class: "wrap" }, side(r, l)))))));
  },
  masks(left, right, a, b) {
    const both = this.pairsOf(left.genes, right.genes).filter(([l, r]) => l && r && l.taps && r.taps);
    if (!both.length) return null;
    return panel("Motifs and masks", el("small", null, `homologous motifs: ■ in both   + only in #${a}   − only in #${b}`), el("div", { class: "columns" }, both.map(([l, r]) => {
      const stage = (d, g) => d.plan?.stages.find((s) => s.name.startsWith(`${g.place.replaceAll(" ", "").replace("motif", ".motif")}.`) || s.name === g.place.replaceAll(" ", "").replace("motif", ".motif"));
      const sa = stage(left, l), sb = stage(right, r);
      return el("figure", { style: { margin: 0 } }, el("h3", null, l.place), overlay(tapsOf(l), tapsOf(r)), sa && sb ? maskDiff(sa, sb, a, b) : el("figcaption", null, "masks need the wiring of both: see the individual view"));
    })));
  },
};
// Gene edits from `before` to `after`, one line each.
function changes(before, after) {
  const lines = [];
  for (const [old, now] of diff.pairsOf(before, after)) {
    if (!old) { lines.push(`+ ${now.place}: ${now.text}`); continue; }
    if (!now) { lines.push(`− ${old.place}: ${old.text}`); continue; }
    const names = Object.keys({ ...old.fields, ...now.fields }).filter((k) => JSON.stringify(old.fields[k]) !== JSON.stringify(now.fields[k]));
    if (names.length) lines.push(`${now.place}: ${names.map((k) => `${k} ${k in old.fields ? fieldText(old.fields[k]) : "default"} → ${k in now.fields ? fieldText(now.fields[k]) : "default"}`).join(", ")}`);
  }
  return lines.length ? lines : ["the same genes"];
}
const tapsOf = (row) => { const found = []; for (let k = 0; k < row.taps.length; k += 2) found.push([row.taps[k], row.taps[k + 1]]); return found; };

function overlay(a, b, size = 150) {
  const has = (list) => new Set(list.map(String)), inA = has(a), inB = has(b), all = [...new Map([...a, ...b].map((t) => [String(t), t])).values()], reach = Math.max(1, ...all.flat().map(Math.abs)), side = size / (2 * reach + 1), marks = [];
  for (const t of all) {
    const x = (t[1] + reach) * side, y = (t[0] + reach) * side, both = inA.has(String(t)) && inB.has(String(t)), only = inA.has(String(t)), m = side * 0.5;
    marks.push(sv("rect", { x: x + 0.7, y: y + 0.7, width: side - 1.4, height: side - 1.4, rx: 1.5, fill: both ? ink("bar") : ink("panel"), stroke: both ? "none" : ink(only ? "good" : "bad"), "stroke-width": 1.3 }));
    if (!both) marks.push(sv("path", { d: `M${x + side * 0.25} ${y + m}h${m}${only ? `M${x + m} ${y + side * 0.25}v${m}` : ""}`, stroke: ink(only ? "good" : "bad"), "stroke-width": 1.6 }));
  }
  marks.push(sv("circle", { cx: size / 2, cy: size / 2, r: 1.8, fill: ink("ink") }));
  return sv("svg", { viewBox: `0 0 ${size} ${size}`, width: size, height: size, role: "img", "aria-label": `${[...inA].filter((t) => inB.has(t)).length} taps in both, ${[...inA].filter((t) => !inB.has(t)).length} only in the first, ${[...inB].filter((t) => !inA.has(t)).length} only in the second` }, marks);
}

// Both masks over each other, where they join the same two sheets.
function maskDiff(sa, sb, a, b) {
  const size = (s) => [s.source, s.target].map((v) => v.join("×")).join(" → "), [S, T] = [sa.source, sa.target].map((v) => v[0] * v[1] * v[2]);
  if (size(sa) !== size(sb)) return el("figcaption", null, `other sheets: ${size(sa)} and ${size(sb)}; ${whole.format(sa.connections)} and ${whole.format(sb.connections)} connections`);
  if (S * T > 2 ** 25) return el("figcaption", null, `masks of ${whole.format(S * T)} cells are too large to compare here`);
  const cells = new Uint8Array(S * T), w = Math.min(S, 480), h = Math.min(T, 480), canvas = el("canvas", { class: "mask", width: w, height: h, role: "img" });
  canvas.style.setProperty("cursor", "default");
  canvas.style.setProperty("aspect-ratio", `${S} / ${Math.min(T, 1.4 * S)}`);
  connect(sa, (t, s) => { cells[t * S + s] |= 1; });
  connect(sb, (t, s) => { cells[t * S + s] |= 2; });
  const count = [0, 0, 0, 0], seen = Array.from({ length: 4 }, () => new Float32Array(w * h));
  for (let t = 0; t < T; t++) for (let s = 0; s < S; s++) { const v = cells[t * S + s]; count[v]++; if (v) seen[v][Math.floor(t * h / T) * w + Math.floor(s * w / S)]++; }
  const c = canvas.getContext("2d"), image = c.createImageData(w, h), paper = dark() ? [23, 27, 33] : [255, 255, 255], colours = [null, [33, 102, 172], [200, 90, 20], dark() ? [93, 114, 136] : [190, 200, 211]];
  for (let i = 0; i < w * h; i++) { const v = seen[1][i] >= seen[2][i] && seen[1][i] ? 1 : seen[2][i] ? 2 : seen[3][i] ? 3 : 0; image.data.set([...(v ? colours[v] : paper), 255], i * 4); }
  c.putImageData(image, 0, 0);
  canvas.dataset.both = count[3]; canvas.dataset.onlyA = count[1]; canvas.dataset.onlyB = count[2];
  const said = `${whole.format(count[3])} connections in both, ${whole.format(count[1])} only in #${a} (blue), ${whole.format(count[2])} only in #${b} (orange)`;
  canvas.setAttribute("aria-label", said);
  return [canvas, el("figcaption", null, said)];
}
