// How the population moved: quantiles of one measure by generation, and one generation in full.

const generations = {
  ask: latest(), askOne: latest(),
  mount(root) {
    this.tools = el("div", { class: "tools" });
    this.box = el("div", { class: "chart", style: { height: "300px" } });
    this.canvas = canvasOf(this.box);
    this.canvas.setAttribute("role", "img");
    this.slider = el("input", { type: "range", min: 0, max: 0, "aria-label": "Generation", style: { width: "100%" }, oninput: (e) => go({ g: e.target.value }, true) });
    this.one = el("div");
    root.append(this.tools, panel("Quantiles by generation", el("small", null, "line: median; bands: middle 50 %, middle 80 %, all"), this.box, this.slider), this.one);
    this.box.addEventListener("click", (e) => { if (this.x) go({ g: Math.max(0, Math.min(this.last, Math.round(this.x.back(e.offsetX)))) }, true); });
    whenResized(this.box, () => this.draw());
    this.update(new Set(["m"]));
  },
  update(changed) {
    if (changed.has("m")) put(this.tools, select("measure", run.numbers, state.m, (m) => go({ m })), filterBox());
    if (changed.has("m") || changed.has("f")) this.ask(source.bands(state.m, conditions()), (found) => { this.found = found; this.last = Math.max(0, Math.ceil(run.count / run.population) - 1); this.slider.max = this.last; this.draw(); this.showOne(); });
    else { this.draw(); this.showOne(); }
  },
  chosen() { return state.g === "" ? (selected() !== null ? Math.floor(selected() / run.population) : this.last) : Math.min(Number(state.g), this.last); },

  draw() {
    if (!this.found) return;
    const w = this.box.clientWidth, h = 300, c = ready(this.canvas, w, h), at = { left: 62, right: w - 16, top: 26, bottom: h - 40 };
    const q = this.found.quantiles, step = this.found.step, there = q.map((v, i) => v && [i * step + (step - 1) / 2, v]).filter(Boolean);
    this.canvas.dataset.generations = there.length;
    if (!there.length) { c.fillText("nothing scored that passes the filter", 70, 40); return; }
    // A few hopeless founders would press the rest into a line: the axis starts at the lowest 10 % of any generation.
    const lows = there.map(([, v]) => v[1]).sort((a, b) => a - b), low = Math.min(lows[Math.floor(lows.length * 0.02)], there[0][1][2]), high = Math.max(...there.map(([, v]) => v[6]));
    this.x = axis(0, Math.max(1, this.last), at.left, at.right, false, 0.02);
    const y = axis(low, high, at.bottom, at.top, false, 0.04);
    drawAxes(c, at, this.x, y, ["n", state.m, "generation", `${word(state.m)}${UNITS[state.m] ? `, ${UNITS[state.m]}` : ""}`]);
    c.save(); c.beginPath(); c.rect(at.left, at.top - 4, at.right - at.left, at.bottom - at.top + 4); c.clip();
    for (const [a, b, alpha] of [[0, 6, 0.1], [1, 5, 0.16], [2, 4, 0.26]]) {
      c.globalAlpha = alpha; c.fillStyle = ink("accent"); c.beginPath();
      there.forEach(([g, v], k) => c[k ? "lineTo" : "moveTo"](this.x(g), y(v[b])));
      for (const [g, v] of [...there].reverse()) c.lineTo(this.x(g), y(v[a]));
      c.fill();
    }
    c.globalAlpha = 1; c.strokeStyle = ink("accent"); c.lineWidth = 1.8; c.beginPath();
    there.forEach(([g, v], k) => c[k ? "lineTo" : "moveTo"](this.x(g), y(v[3])));
    c.stroke();
    const g = this.chosen();
    c.strokeStyle = ink("mark"); c.lineWidth = 1.2; c.beginPath(); c.moveTo(this.x(g), at.top); c.lineTo(this.x(g), at.bottom); c.stroke();
    c.restore();
    this.slider.value = g;
    this.canvas.setAttribute("aria-label", `Quantiles of ${word(state.m)} over ${there.length} generations; median from ${show(state.m, there[0][1][3])} to ${show(state.m, there.at(-1)[1][3])}`);
    const id = selected();
    if (id !== null) source.rowOf(id).then((row) => {
      if (!row || row[state.m] === null) return;
      c.fillStyle = ink("mark"); c.beginPath(); c.arc(this.x(Math.floor(id / run.population)), Math.min(at.bottom, y(row[state.m])), 4.5, 0, 7); c.fill();
    }, () => {});
  },

  showOne() {
    const g = this.chosen();
    this.askOne(source.page(state.m, moreIsBetter(state.m) !== false, [["generation", "=", g], ...conditions()], 0, 500), (found) => {
      const rows = found.rows.filter((r) => r[state.m] !== null);
      put(this.one, panel(`Generation ${g}`, [el("small", null, `${plural(found.total, "individual")}, ${rows.length} with a value`), el("span", { class: "grow" }), el("button", { onclick: () => go({ g: Math.max(0, g - 1) }, true), "aria-label": "Generation before" }, "‹"), el("button", { onclick: () => go({ g: Math.min(this.last, g + 1) }, true), "aria-label": "Generation after" }, "›")],
        this.strip(rows), el("div", { class: "scroll" }, rowsTable(found.rows.slice(0, 30), [...new Set([state.m, "accuracy", "bytes", "long_share", "score"])])), found.total > 30 ? el("small", null, "The first 30; the table has all.") : null));
      this.one.dataset.generation = g;
    });
  },
  strip(rows) {
    if (!rows.length) return null;
    const values = rows.map((r) => r[state.m]), w = roomy(), x = axis(Math.min(...values), Math.max(...values), 8, w - 8, false, 0);
    const used = [], levels = [];
    const dots = rows.map((r) => {
      const px = x(r[state.m]);
      let level = 0;
      while (used.some(([p, l]) => l === level && Math.abs(p - px) < 7) && level < 8) level++;
      used.push([px, level]);
      levels.push(level);
      const on = r.id === selected();
      return sv("circle", { cx: px, cy: 60 - level * 7, r: on ? 5 : 3, fill: on ? ink("mark") : ink("accent"), "fill-opacity": on ? 1 : 0.55, style: { cursor: "pointer" }, onclick: () => pick(r.id), onpointermove: (e) => tip(e, el("b", null, `#${r.id}`), `${word(state.m)} ${show(state.m, r[state.m])}`), onpointerleave: () => tip() });
    });
    const top = 60 - 7 * Math.max(...levels) - 8;
    return sv("svg", { viewBox: `0 ${top} ${w} ${82 - top}`, width: w, height: 82 - top, role: "img", "aria-label": `${rows.length} values`, class: "strip" }, sv("line", { x1: 8, x2: w - 8, y1: 66, y2: 66, class: "axis" }), dots, x.ticks(w / 90).map((v) => sv("text", { x: x(v), y: 79, "text-anchor": "middle" }, tick(state.m, v))));
  },
};
