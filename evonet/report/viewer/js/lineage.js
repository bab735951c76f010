// Where one individual came from: all its ancestors, newest first, with the operators and the change of score each brought.

const TALL = 40; // pixels of a row
const lineage = {
  ask: latest(),
  mount(root) { this.root = el("div"); this.open = new Set(); root.append(this.root); this.update(new Set(["id"])); },
  update(changed) {
    if (!["id", "all"].some((k) => changed.has(k))) return;
    const id = this.of = selected() ?? run.best[0]?.id;
    if (id === undefined) return put(this.root, el("p", { class: "quiet" }, "Nothing is scored yet: choose an individual in the table."));
    this.ask(source.lineage(id), (found) => { this.found = found; this.draw(); });
  },
  draw() {
    const byId = new Map(this.found.rows.map((r) => [r.id, r])), children = new Map(this.found.rows.map((r, i) => [r.id, this.found.children[i]]));
    const main = this.mainLine(byId), onlyMain = state.all !== "1", many = 400;
    let rows = [...byId.values()].sort((a, b) => b.id - a.id).filter((r) => !onlyMain || main.has(r.id));
    const hidden = Math.max(0, rows.length - many);
    rows = rows.slice(0, many);
    const lanes = this.lanes(rows, main, byId), width = 14 * Math.min(12, lanes.most + 1) + 8, gains = rows.map((r) => this.gain(r, byId)).filter((v) => v !== null && Number.isFinite(v));
    const most = gains.map(Math.abs).sort((a, b) => a - b)[Math.floor(gains.length * 0.9)] || 1;
    const founders = [...byId.values()].filter((r) => r.p0 === null);
    const body = rows.flatMap((r, k) => [this.row(r, k, lanes, width, byId, children, main, most), ...this.unfolded(r, width, lanes, k, byId)]);
    put(this.root, el("div", { class: "tools" }, el("h1", null, "Ancestors of ", about(this.of)), toggle("main line only", onlyMain, () => go({ all: onlyMain ? "1" : "0" }), "follow the first parent, who gave the weights"), el("small", null, `${plural(byId.size - 1, "ancestor")}, ${plural(main.size - 1, "birth")} on the main line, ${plural(founders.length, "founder")}${this.found.cut ? "; older ones are left out" : ""}`)),
      panel(null, null, el("div", { class: "scroll" }, el("table", { class: "lineage" }, el("thead", null, el("tr", null, el("th", { class: "l" }, ""), el("th", { class: "l" }, "id"), el("th", null, "gen"), el("th", { class: "l" }, "born by, and what it changed in the genes"), el("th", null, "score"), el("th", { class: "l", title: "against the first parent, both as last measured" }, "change of score"), el("th", null, "accuracy"), el("th", null, "bytes"), el("th", null, "long"), el("th", { class: "l", title: "children that are no ancestors of it" }, "other children"))), el("tbody", null, body))),
        hidden ? el("p", { class: "quiet" }, `${whole.format(hidden)} older ancestors are folded: main line only shows the way back to the founder.`) : null),
      el("small", null, "● main line: the first parent, whose weights were inherited   ○ came in by crossover. Scores are as last measured, so a promoted or finished individual is ahead of its parents by its training as well: evonet why measures edits one at a time."));
    this.root.dataset.rows = rows.length;
    this.explain(byId);
    this.root.dataset.of = this.of;
  },
  mainLine(byId) {
    const line = new Set();
    for (let r = byId.get(this.of); r && !line.has(r.id); r = byId.get(r.p0)) line.add(r.id);
    return line;
  },
  gain: (r, byId) => r.p0 === null || r.score === null || !byId.get(r.p0) || byId.get(r.p0).score === null ? null : r.score - byId.get(r.p0).score,

  // In words what each birth on the main line changed in the genes, as they can be read.
  async explain(byId) {
    for (const cell of this.root.querySelectorAll("[data-change]")) {
      const r = byId.get(Number(cell.dataset.change)), drawn = this.found;
      const [child, parent] = await Promise.all([source.details(r.id), source.details(r.p0)]).catch(() => [null, null]);
      if (drawn !== this.found || !cell.isConnected) return;
      if (!child) continue;
      const lines = changes(parent.genes, child.genes);
      put(cell, lines.join("; ")).title = lines.join("\n");
    }
  },

  // Lanes as version control draws them: each row ends the lanes that wait for it and opens one for each parent.
  lanes(rows, main, byId) {
    const waiting = [], found = [];
    let most = 0;
    for (const r of rows) {
      const before = [...waiting], mine = [];
      waiting.forEach((w, k) => { if (w === r.id) mine.push(k); });
      const free = (from) => { let k = from; while (waiting[k] !== undefined && waiting[k] !== null) k++; return k; };
      const at = mine.length ? mine[0] : free(main.has(r.id) ? 0 : 1);
      for (const k of mine) waiting[k] = null;
      const to = [];
      for (const p of [r.p0, r.p1]) {
        if (p === null || p === r.id || !byId.has(p) || (state.all !== "1" && !main.has(p))) continue;
        let k = waiting.indexOf(p);
        if (k < 0 || (main.has(p) && main.has(r.id) && k !== 0)) { k = main.has(p) && main.has(r.id) ? 0 : p === r.p0 && !waiting[at] && at > 0 ? at : free(1); waiting[k] = p; }
        to.push(k);
      }
      most = Math.max(most, waiting.length, at);
      found.push({ at, mine, to, before, after: [...waiting] });
    }
    found.most = most;
    return found;
  },
  picture(lane, width, isMain) {
    const x = (k) => 10 + 14 * Math.min(k, 11), half = TALL / 2, stroke = ink("faint"), marks = [];
    lane.before.forEach((w, k) => { if (w === null || w === undefined) return; const ends = lane.mine.includes(k); marks.push(sv("path", { d: ends ? `M${x(k)} 0C${x(k)} ${half * 0.6} ${x(lane.at)} ${half * 0.4} ${x(lane.at)} ${half}` : `M${x(k)} 0V${TALL}`, fill: "none", stroke: k === 0 ? ink("accent") : stroke, "stroke-width": k === 0 ? 2 : 1.3 })); });
    lane.to.forEach((k) => marks.push(sv("path", { d: `M${x(lane.at)} ${half}C${x(lane.at)} ${half * 1.6} ${x(k)} ${half * 1.4} ${x(k)} ${TALL}`, fill: "none", stroke: isMain && k === 0 ? ink("accent") : stroke, "stroke-width": isMain && k === 0 ? 2 : 1.3 })));
    marks.push(sv("circle", { cx: x(lane.at), cy: half, r: isMain ? 4.5 : 3.5, fill: isMain ? ink("accent") : ink("panel"), stroke: isMain ? ink("accent") : ink("soft"), "stroke-width": 1.4 }));
    return sv("svg", { width, height: TALL, "aria-hidden": "true", style: { "max-width": "none" } }, marks);
  },
  row(r, k, lanes, width, byId, children, main, most) {
    const gain = this.gain(r, byId), [count] = children.get(r.id), own = [...byId.values()].filter((o) => o.p0 === r.id || o.p1 === r.id).length, other = count - own;
    const bar = gain === null ? null : sv("svg", { width: 72, height: 12, "aria-hidden": "true", style: { display: "inline-block", "vertical-align": "-2px", "max-width": "none" } }, sv("line", { x1: 36, x2: 36, y1: 0, y2: 12, stroke: ink("line") }), sv("rect", { x: gain < 0 ? 36 - Math.min(36, -gain / most * 34) : 36, width: Math.max(1, Math.min(36, Math.abs(gain) / most * 34)), y: 2, height: 8, fill: ink(gain < 0 ? "bad" : "good") }));
    return el("tr", { "data-id": r.id, class: r.id === selected() ? "on" : null, onclick: (e) => { if (!e.target.closest("a,button")) pick(r.id); } },
      el("td", { class: "l", style: { padding: "0 4px", height: `${TALL}px` } }, this.picture(lanes[k], width, main.has(r.id))), el("td", { class: "l" }, about(r.id)), el("td", null, r.generation),
      el("td", { class: "l change" }, r.p0 === null ? el("b", null, run.words[r.operator] || run.kinds[r.kind]) : run.words[r.operator], r.p1 !== null ? el("small", null, ` × #${r.p1}`) : null, main.has(r.id) && r.p0 !== null && k < 80 ? el("div", { class: "code quiet", "data-change": r.id }, "…") : null),
      el("td", null, show("score", r.score)), el("td", { class: "l" }, bar, " ", gain === null ? "" : el("span", { class: gain < 0 ? "minus" : "plus" }, signed("score", gain))), el("td", null, show("accuracy", r.accuracy)), el("td", null, show("bytes", r.bytes)), el("td", null, show("long_share", r.long_share)),
      el("td", { class: "l" }, other > 0 ? el("button", { class: "plain", "aria-expanded": String(this.open.has(r.id)), onclick: () => this.unfold(r.id) }, `${this.open.has(r.id) ? "▾" : "▸"} ${other} folded`) : null));
  },
  async unfold(id) {
    if (this.open.has(id)) this.open.delete(id);
    else { this.kids ||= new Map(); this.kids.set(id, await source.children(id)); this.open.add(id); }
    this.draw();
  },
  unfolded(r, width, lanes, k, byId) {
    if (!this.open.has(r.id)) return [];
    const kids = this.kids.get(r.id).filter((c) => !byId.has(c.id)).sort((a, b) => (b.score ?? -Infinity) - (a.score ?? -Infinity)).slice(0, 40);
    return kids.map((c) => el("tr", { "data-id": c.id, class: c.id === selected() ? "on" : "quiet", onclick: (e) => { if (!e.target.closest("a")) pick(c.id); } }, el("td", { class: "l", style: { padding: "0 4px", height: "26px" } }, sv("svg", { width, height: 26, "aria-hidden": "true" }, lanes[k].after.map((w, i) => w === null || w === undefined ? null : sv("line", { x1: 10 + 14 * Math.min(i, 11), x2: 10 + 14 * Math.min(i, 11), y1: 0, y2: 26, stroke: i === 0 ? ink("accent") : ink("faint"), "stroke-width": i === 0 ? 2 : 1.3 })))),
      el("td", { class: "l" }, "└ ", about(c.id)), el("td", null, c.generation), el("td", { class: "l" }, run.words[c.operator]), el("td", null, show("score", c.score)), el("td", { class: "l" }, r.score !== null && c.score !== null ? signed("score", c.score - r.score) : ""), el("td", null, show("accuracy", c.accuracy)), el("td", null, show("bytes", c.bytes)), el("td", null, show("long_share", c.long_share)), el("td")));
  },
};
