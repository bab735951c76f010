// Two measures against each other: every individual a point, those that no other beats in both drawn full.

const front = {
  ask: latest(),
  mount(root) {
    const names = run.numbers;
    this.tools = el("div", { class: "tools" });
    this.box = el("div", { class: "chart", style: { height: `${innerWidth < 700 ? 380 : Math.max(300, Math.min(620, innerHeight - 240))}px` } });
    this.canvas = canvasOf(this.box);
    this.over = canvasOf(this.box, "over");
    Object.entries({ tabindex: "0", role: "img", id: "points" }).forEach(([k, v]) => this.over.setAttribute(k, v));
    this.legend = el("div", { class: "legend" });
    root.append(this.tools, panel(null, null, this.box, this.legend));
    this.listen();
    whenResized(this.box, () => this.draw());
    this.names = names;
    this.update(new Set(["x"]));
  },

  update(changed) {
    if (["x", "y", "lx", "ly", "c"].some((k) => changed.has(k))) this.drawTools();
    if (changed.size === 1 && (changed.has("id") || changed.has("b"))) return this.mark();
    const asked = conditions();
    if (!source.binned) { this.take(null, asked); return; }
    this.ask(source.spread({ x: state.x, y: state.y, lx: Number(state.lx), ly: Number(state.ly), colour: state.c }, asked), (found) => this.take(found, asked));
  },

  drawTools() {
    const flip = (k) => () => go({ [k]: state[k] === "1" ? "0" : "1" });
    put(this.tools, select("x", this.names, state.x, (x) => go({ x })), toggle("log x", state.lx === "1", flip("lx")), select("y", this.names, state.y, (y) => go({ y })), toggle("log y", state.ly === "1", flip("ly")),
      select("colour", ["generation", ...this.names], state.c, (c) => go({ c })), filterBox());
  },

  take(binned, asked) {
    this.binned = binned;
    if (binned) this.best = binned.front;
    else {
      const keep = source.passing(asked), a = source.numbers(state.x), b = source.numbers(state.y), lx = state.lx === "1", ly = state.ly === "1";
      this.ids = [];
      for (let i = 0; i < source.count; i++) if (keep[i] && a[i] === a[i] && b[i] === b[i] && (!lx || a[i] > 0) && (!ly || b[i] > 0)) this.ids.push(i);
      this.best = source.front(state.x, state.y, asked).filter((i) => (!lx || a[i] > 0) && (!ly || b[i] > 0)).map((i) => ({ id: i, [state.x]: a[i], [state.y]: b[i] }));
    }
    this.draw();
  },

  draw() {
    const w = this.box.clientWidth, h = this.box.clientHeight, c = ready(this.canvas, w, h), at = { left: 58, right: w - 14, top: 26, bottom: h - 42 };
    if (w < 50) return;
    const anchors = run.anchors.filter((a) => a[state.x] !== undefined && a[state.y] !== undefined);
    const [xs, ys] = this.spans(anchors);
    this.x = axis(xs[0], xs[1], at.left, at.right, state.lx === "1");
    this.y = axis(ys[0], ys[1], at.bottom, at.top, state.ly === "1", 0.04);
    this.at = at;
    const unit = (n, up) => `${word(n)}${UNITS[n] ? `, ${UNITS[n]}` : ""}${up ? ` ${up}` : ""}`;
    drawAxes(c, at, this.x, this.y, [state.x, state.y, unit(state.x, moreIsBetter(state.x) === false ? "(less is better)" : ""), unit(state.y)]);
    const total = this.binned ? this.drawBins(c) : this.drawPoints(c);
    this.drawFront(c);
    this.drawAnchors(c, anchors);
    this.over.dataset.drawn = total;
    this.over.setAttribute("aria-label", `${plural(total, "individual")}: ${word(state.y)} by ${word(state.x)}. ${this.best.length} of them not dominated; arrow keys go along these.`);
    this.mark();
  },

  spans(anchors) {
    const spans = [[Infinity, -Infinity], [Infinity, -Infinity]];
    const take = (k, v) => { if (v < spans[k][0]) spans[k][0] = v; if (v > spans[k][1]) spans[k][1] = v; };
    if (this.binned) { take(0, this.binned.x[0]); take(0, this.binned.x[1]); take(1, this.binned.y[0]); take(1, this.binned.y[1]); }
    else { const a = source.numbers(state.x), b = source.numbers(state.y); for (const i of this.ids) { take(0, a[i]); take(1, b[i]); } }
    for (const a of anchors) { take(0, a[state.x]); take(1, a[state.y]); }
    return spans.map((s) => s[0] <= s[1] ? s : [1, 2]);
  },

  drawPoints(c) {
    const a = source.numbers(state.x), b = source.numbers(state.y), v = source.numbers(state.c), full = new Set(this.best.map((r) => r.id));
    let low = Infinity, high = -Infinity;
    for (const i of this.ids) if (v[i] === v[i]) { low = Math.min(low, v[i]); high = Math.max(high, v[i]); }
    this.places(this.ids.length);
    const groups = Array.from({ length: 33 }, () => []), many = this.ids.length > 3000, r = many ? 2 : 3;
    for (const i of this.ids) {
      const px = this.x(a[i]), py = this.y(b[i]);
      this.place(i, px, py, 1);
      if (!full.has(i)) groups[v[i] === v[i] ? Math.round(31 * (v[i] - low) / (high - low || 1)) : 32].push(px, py);
    }
    groups.forEach((points, k) => {
      if (!points.length) return;
      // A picture of one point, put down many times: thousands of arcs in one path take ten times as long.
      const dot = new OffscreenCanvas(16, 16), d = dot.getContext("2d");
      d.fillStyle = k === 32 ? ink("faint") : rgb(scale(k / 31), many ? 0.4 : 0.5);
      d.beginPath(); d.arc(8, 8, 2 * r, 0, 6.2832); d.fill();
      for (let j = 0; j < points.length; j += 2) c.drawImage(dot, points[j] - 4, points[j + 1] - 4, 8, 8);
    });
    this.colourOf = (i) => v[i] === v[i] ? scale((v[i] - low) / (high - low || 1)) : [150, 150, 150];
    put(this.legend, low <= high ? colourBar(low, high, state.c) : null, el("i", null, "○ not dominated"), el("i", null, "faded: another is as good in both and better in one"), el("i", null, "drag to keep a range"));
    return this.ids.length;
  },

  drawBins(c) {
    const s = this.binned, [nx, ny] = s.bins, lx = state.lx === "1", ly = state.ly === "1", most = Math.max(1, ...s.count);
    let low = Infinity, high = -Infinity;
    for (const v of s.colour) { low = Math.min(low, v); high = Math.max(high, v); }
    const edge = (span, k, n, log) => log ? span[0] * (span[1] / span[0]) ** (k / n) : span[0] + (span[1] - span[0]) * k / n;
    this.places(s.at.length + this.best.length);
    s.at.forEach((cell, j) => {
      const i = cell % nx, k = (cell - i) / nx, x0 = this.x(edge(s.x, i, nx, lx)), x1 = this.x(edge(s.x, i + 1, nx, lx)), y0 = this.y(edge(s.y, k + 1, ny, ly)), y1 = this.y(edge(s.y, k, ny, ly));
      c.fillStyle = rgb(scale((s.colour[j] - low) / (high - low || 1)), 0.25 + 0.75 * Math.log1p(s.count[j]) / Math.log1p(most));
      c.fillRect(x0, y0, Math.max(1.5, x1 - x0 - 0.4), Math.max(1.5, y1 - y0 - 0.4));
      this.place(s.one[j], (x0 + x1) / 2, (y0 + y1) / 2, s.count[j]);
    });
    this.colourOf = () => [255, 255, 255];
    put(this.legend, s.total ? colourBar(low, high, state.c) : null, el("i", null, `mean of each cell; the fuller, the more of ${whole.format(s.total)} individuals`), el("i", null, "○ not dominated"), el("i", null, "drag to keep a range"));
    return s.total;
  },

  drawFront(c) {
    c.strokeStyle = ink("soft"); c.lineWidth = 1; c.setLineDash([2, 3]); c.beginPath();
    const points = this.best.map((r) => [this.x(r[state.x]), this.y(r[state.y]), r.id]).sort((a, b) => a[0] - b[0]);
    points.forEach((p, k) => c[k ? "lineTo" : "moveTo"](p[0], p[1]));
    c.stroke(); c.setLineDash([]);
    for (const [px, py, id] of points) {
      c.beginPath(); c.arc(px, py, 4.2, 0, 6.2832); c.fillStyle = rgb(this.colourOf(id)); c.fill();
      c.lineWidth = 1.3; c.strokeStyle = ink("ink"); c.stroke();
      if (this.binned) this.place(id, px, py, 1);
    }
    this.line = points;
  },

  drawAnchors(c, anchors) {
    c.textAlign = "left"; c.textBaseline = "middle";
    for (const a of anchors) {
      const px = this.x(a[state.x]), py = this.y(a[state.y]);
      c.strokeStyle = ink("ink"); c.lineWidth = 1.5;
      c.beginPath(); c.moveTo(px - 5, py); c.lineTo(px + 5, py); c.moveTo(px, py - 5); c.lineTo(px, py + 5); c.stroke();
      c.fillStyle = ink("soft"); c.fillText(a.name, px + 8, py);
    }
    if (anchors.length) this.legend.append(el("i", null, "+ anchors: ", [...new Set(anchors.map((a) => a.kind || "given"))].join(", ")));
  },

  async mark() {
    const c = ready(this.over, this.box.clientWidth, this.box.clientHeight);
    for (const [id, style] of [[state.b, "accent"], [state.id, "mark"]]) {
      if (id === "") continue;
      const row = await source.rowOf(Number(id)).catch(() => null);
      if (!row || row[state.x] === null || row[state.y] === null || !this.x) continue;
      const px = this.x(row[state.x]), py = this.y(row[state.y]);
      c.strokeStyle = ink(style); c.lineWidth = 2.2; c.beginPath(); c.arc(px, py, 8, 0, 6.2832); c.stroke();
      c.fillStyle = ink(style); c.textBaseline = "bottom"; c.textAlign = px > this.box.clientWidth - 70 ? "right" : "left";
      c.font = "600 12px system-ui, 'DejaVu Sans', sans-serif"; c.fillText(`#${id}`, px + (c.textAlign === "left" ? 10 : -10), py - 6);
      this.over.dataset[style === "mark" ? "selected" : "second"] = id;
    }
    if (this.drag) { c.fillStyle = "rgba(120,150,190,.18)"; c.strokeStyle = ink("accent"); const [x, y, w, h] = this.drag; c.fillRect(x, y, w, h); c.strokeRect(x, y, w, h); }
  },

  // Points by squares of 16 pixels, each square a chain: what lies near the pointer is found without looking at all.
  places(count) { this.grid = { head: new Int32Array(128 * 128).fill(-1), next: new Int32Array(count), x: new Float32Array(count), y: new Float32Array(count), id: new Int32Array(count), many: new Int32Array(count), used: 0 }; },
  place(id, px, py, many) {
    const g = this.grid, k = g.used++, cell = Math.min(127, Math.max(0, px >> 4)) * 128 + Math.min(127, Math.max(0, py >> 4));
    g.id[k] = id; g.x[k] = px; g.y[k] = py; g.many[k] = many; g.next[k] = g.head[cell]; g.head[cell] = k;
  },

  near(px, py) {
    let found = null, least = 14 ** 2;
    const g = this.grid;
    if (!g) return null;
    for (let gx = Math.max(0, (px >> 4) - 1); gx <= Math.min(127, (px >> 4) + 1); gx++) for (let gy = Math.max(0, (py >> 4) - 1); gy <= Math.min(127, (py >> 4) + 1); gy++)
      for (let k = g.head[gx * 128 + gy]; k >= 0; k = g.next[k]) { const d = (g.x[k] - px) ** 2 + (g.y[k] - py) ** 2; if (d < least) { least = d; found = [g.id[k], g.x[k], g.y[k], g.many[k]]; } }
    return found;
  },

  listen() {
    const over = this.over;
    let start = null;
    over.addEventListener("pointerdown", (e) => { start = [e.offsetX, e.offsetY]; over.setPointerCapture(e.pointerId); });
    over.addEventListener("pointermove", async (e) => {
      if (start && Math.hypot(e.offsetX - start[0], e.offsetY - start[1]) > 5) {
        this.drag = [Math.min(start[0], e.offsetX), Math.min(start[1], e.offsetY), Math.abs(e.offsetX - start[0]), Math.abs(e.offsetY - start[1])];
        tip();
        return this.mark();
      }
      const p = this.near(e.offsetX, e.offsetY);
      if (!p) return tip();
      const row = source.binned ? { id: p[0] } : source.row(p[0]);
      tip(e, el("b", null, `#${p[0]}${p[3] > 1 ? ` and ${whole.format(p[3] - 1)} more` : ""}`), source.binned ? null : pairs([["generation", row.generation], ...[...new Set([state.x, state.y, state.c, "score", "bytes", "long_share"])].filter((n) => n !== "generation").map((n) => [word(n), show(n, row[n])]), ["born by", run.words[row.operator] || "–"]]));
    });
    over.addEventListener("pointerleave", () => tip());
    over.addEventListener("pointerup", (e) => {
      const drag = this.drag;
      start = this.drag = null;
      if (!drag) { const p = this.near(e.offsetX, e.offsetY); if (p) pick(p[0]); return; }
      const [x, y, w, h] = drag, round = (v) => Number(v.toPrecision(4));
      const range = (n, a, b) => `${n}>=${round(Math.min(a, b))} ${n}<=${round(Math.max(a, b))}`;
      go({ f: [without(state.f, [state.x, state.y]), range(state.x, this.x.back(x), this.x.back(x + w)), range(state.y, this.y.back(y), this.y.back(y + h))].join(" ").trim() });
    });
    over.addEventListener("keydown", (e) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
      if (!step || !this.line?.length) return;
      e.preventDefault();
      const k = this.line.findIndex((p) => p[2] === selected());
      pick(this.line[(k + step + this.line.length) % this.line.length][2]);
    });
  },
};
