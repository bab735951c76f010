// One individual: what it is wired like, what its file is spent on, how it was trained.

const individual = {
  ask: latest(),
  mount(root) { this.root = el("div"); root.append(this.root); this.update(new Set(["id"])); },
  update(changed) {
    if (!changed.has("id")) return;
    const id = selected() ?? run.best[0]?.id;
    if (id === undefined) return put(this.root, el("p", { class: "quiet" }, "Choose an individual: in the table, on the front, anywhere."));
    this.ask(Promise.all([source.details(id), source.rowOf(id)]), ([found, row]) => this.draw(id, found, row));
  },
  draw(id, found, row) {
    const plan = found.plan, weights = plan ? plan.tensors.map((t) => t.weights ? floatsOf(t.weights) : null) : [];
    const kept = found.package && bytesOf(found.package.base64);
    put(this.root,
      el("div", { class: "tools" }, el("h1", null, `#${id}`), el("span", { class: "quiet code" }, found.digest || ""), el("span", null, row ? `${run.words[row.operator] || run.kinds[row.kind]}${row.p0 === null ? "" : ` of #${row.p0}${row.p1 === null ? "" : ` × #${row.p1}`}`}` : ""), el("span", { class: "grow" }),
        kept ? el("button", { onclick: () => download(`${run.name}-${id}.evo`, kept, "application/octet-stream") }, `.evo, ${whole.format(kept.length)} B`) : null, found.toml ? el("button", { onclick: () => download(`${run.name}-${id}.toml`, found.toml, "application/toml") }, "TOML") : null),
      found.problem ? panel("This genome cannot be expanded", null, el("p", null, found.problem), el("p", { class: "quiet" }, "Its genes are below, as they are stored.")) : null,
      found.partial ? panel("Only the genes of this individual are in this file", null, el("p", { class: "quiet" }, `The report holds wiring and weights of the best ${run.details}. With all of them:`), command(`evonet ui ${quoted(run.path)}`), command(`evonet report ${quoted(run.path)} --details 200 -o report.html`)) : null,
      plan ? panel("Network", el("small", null, `${whole.format(plan.costs.weights)} weights, ${whole.format(plan.costs.connections)} connections, ${whole.format(plan.costs.macs)} MACs per image, ${whole.format(plan.costs.neurons)} neurons`), el("div", { class: "scroll" }, networkPicture(plan))) : null,
      plan ? panel("Wiring, motif by motif", el("small", null, "colour of a tap: blue below zero, orange above, the stronger the larger its mean |weight|; dot: outside the local window; dashed: switched off by compression, or the local window"), plan.stages.map((stage, k) => el("div", { class: "stage", "data-stage": stage.name },
        el("div", null, el("h3", null, stage.name), motifPicture(stage, weights[stage.weight]), el("small", null, this.stageWords(stage, plan))),
        el("div", null, el("h3", null, "full mask: target neurons down, source neurons across"), maskPicture(stage, stage.weight === null ? null : weights[stage.weight])),
        el("div", null, el("h3", null, "connections by distance"), distancePicture(stage, plan.twin?.[k]), el("small", null, plan.twin ? "outline: its random twin" : "no random twin of it"))))) : null,
      found.package ? panel("What the file is spent on", el("small", null, `${whole.format(kept.length)} bytes; tensors as priced by the coder's model`), bytesPicture(found.package.parts, kept.length), tensorTable(plan)) : null,
      found.evaluations.length ? panel("Evaluations", null, roundsPicture(found.evaluations), el("div", { class: "scroll" }, evaluationTable(found.evaluations))) : null,
      panel("Genes", el("small", null, "fields that differ from the default"), geneTable(found.genes, !plan)));
    this.root.dataset.of = id;
    this.root.dataset.stages = plan ? plan.stages.length : 0;
  },
  stageWords(stage, plan) {
    const size = (s) => s.join("×");
    return [stage.mixing === "grouped" ? `${stage.groups} groups` : stage.mixing, `${size(stage.source)} → ${size(stage.target)}`, plural(stage.taps.length, "tap"), stage.dead.length ? `${stage.dead.length} switched off` : null, stage.wrap ? "wrapped" : null, stage.tiles[0] * stage.tiles[1] > 1 ? `${size(stage.tiles)} tiles` : null, stage.tying ? `${stage.own.length} stored` : null, stage.lender !== null ? `weights of ${plan.stages[stage.lender].name}` : null, `${whole.format(stage.macs)} MACs`].filter(Boolean).join(", ");
  },
};

// Sheets from the input to the classes as stacks of planes, motifs as arcs between them.
function networkPicture(plan) {
  const boxes = [{ name: "input", shape: plan.input, text: "" }, ...plan.sheets, { name: "classes", shape: [plan.classes, 1, 1], text: plan.readout.text }];
  const gap = Math.min(190, Math.max(118, (roomy() - 60) / boxes.length)), tall = Math.max(...boxes.map((b) => b.shape[1]), 8), unit = Math.min(9, 92 / tall), middle = 112, w = gap * boxes.length + 30, marks = [], arcs = [];
  const centre = (k) => 60 + k * gap, half = (k) => Math.max(10, boxes[k].shape[2] * unit / 2);
  boxes.forEach((b, k) => {
    const [c, height, width] = b.shape, bw = Math.max(14, width * unit), bh = Math.max(b.name === "classes" ? 60 : 14, height * unit), planes = Math.min(5, Math.ceil(Math.log2(c + 1)));
    for (let p = planes - 1; p >= 0; p--) marks.push(sv("rect", { x: centre(k) - bw / 2 + 3 * p, y: middle - bh / 2 - 3 * p, width: bw, height: bh, rx: 2, fill: ink("panel"), stroke: ink("soft"), "stroke-width": p ? 0.7 : 1.2 }));
    if (b.name === "classes") for (let i = 1; i < Math.min(c, 12); i++) marks.push(sv("line", { x1: centre(k) - bw / 2, x2: centre(k) + bw / 2, y1: middle - bh / 2 + bh * i / Math.min(c, 12), y2: middle - bh / 2 + bh * i / Math.min(c, 12), class: "axis" }));
    marks.push(sv("text", { x: centre(k), y: 200, "text-anchor": "middle", class: "strong" }, k === 0 ? "input" : k === boxes.length - 1 ? `${c} classes` : `sheet ${k - 1}`));
    marks.push(sv("text", { x: centre(k), y: 215, "text-anchor": "middle" }, k === boxes.length - 1 ? "" : `${c} × ${height} × ${width}`));
    words(b.text, 19).slice(0, 4).forEach((line, i) => marks.push(sv("text", { x: centre(k), y: 230 + 13 * i, "text-anchor": "middle" }, line)));
  });
  const above = new Map();
  plan.sheets.forEach((sheet, s) => {
    const many = sheet.branches.length;
    sheet.branches.forEach((branch, b) => {
      const stage = plan.stages[branch.stages[0]], long = stage.covers ? 0 : stage.taps.filter((t) => Math.max(Math.abs(t[0]), Math.abs(t[1])) > 3).length / Math.max(1, stage.taps.length);
      const from = branch.self ? s + 1 : branch.source + 1, to = s + 1, wide = 1 + Math.min(5, Math.sqrt(stage.taps.length) * 0.7), colour = ink(long > 0 ? "long" : "local");
      let d, lx, ly;
      if (branch.self) { d = `M${centre(to) - 9} ${middle - 56}C${centre(to) - 30} ${middle - 96} ${centre(to) + 30} ${middle - 96} ${centre(to) + 9} ${middle - 56}`; lx = centre(to); ly = middle - 90; }
      else {
        const hop = to - from, level = hop > 1 ? (above.set(hop, (above.get(hop) || 0) + 1), 46 + 14 * hop) : 0, dy = hop > 1 ? 0 : (b - (many - 1) / 2) * 24, x0 = centre(from) + half(from) + 6, x1 = centre(to) - half(to) - 3;
        d = hop > 1 ? `M${x0} ${middle - 20}C${x0 + 30} ${middle - level - 40} ${x1 - 30} ${middle - level - 40} ${x1} ${middle - 20 + 8 * b}` : `M${x0} ${middle + dy}H${x1}`;
        lx = (x0 + x1) / 2; ly = hop > 1 ? middle - level - 12 : middle + dy - 6;
      }
      arcs.push(sv("path", { d, fill: "none", stroke: colour, "stroke-width": wide, "stroke-opacity": 0.75, "stroke-dasharray": long > 0 ? "7 3" : null, onpointermove: (e) => tip(e, el("b", null, stage.name), individual.stageWords(stage, plan)), onpointerleave: () => tip() }), sv("text", { x: lx, y: ly, "text-anchor": "middle" }, `${stage.taps.length} tap${stage.taps.length === 1 ? "" : "s"}`));
    });
    if (sheet.repeats > 1) arcs.push(sv("text", { x: centre(s + 1) + 26, y: middle - 76 }, `× ${sheet.repeats}`));
    if (sheet.residual !== null) { const from = sheet.residual + 1; arcs.push(sv("path", { d: `M${centre(from)} ${middle + 56}C${centre(from) + 20} ${middle + 82} ${centre(s + 1) - 20} ${middle + 82} ${centre(s + 1)} ${middle + 56}`, fill: "none", stroke: ink("soft"), "stroke-dasharray": "2 3" }), sv("text", { x: (centre(from) + centre(s + 1)) / 2, y: middle + 74, "text-anchor": "middle" }, "+")); }
  });
  const n = boxes.length - 1, high = plan.sheets.flatMap((s, k) => s.branches.map((b) => b.self ? 96 : k - b.source > 1 ? 58 + 14 * (k - b.source) + 14 : 0));
  const top = Math.max(0, middle - Math.max(74, ...high) - 8);
  arcs.push(sv("path", { d: `M${centre(n - 1) + half(n - 1) + 6} ${middle}H${centre(n) - 12}`, stroke: ink("faint"), "stroke-width": 1.5 }));
  return sv("svg", { viewBox: `0 ${top} ${w} ${282 - top}`, width: w, height: 282 - top, style: { "max-width": "none" }, role: "img", "data-sheets": plan.sheets.length, "aria-label": `${plan.sheets.length} sheets: ${plan.sheets.map((s) => `${s.name} ${s.shape.join(" by ")}, ${s.text}`).join("; ")}` }, arcs, marks);
}
function words(text, width) {
  const lines = [""];
  for (const part of text.split(" ")) { if ((lines.at(-1) + part).length > width && lines.at(-1)) lines.push(""); lines[lines.length - 1] += (lines.at(-1) ? " " : "") + part; }
  return lines;
}

const ROLES = { genome: 0.02, taps: 0.3, mixing: 0.5, biases: 0.68, readout: 0.84, "head, expression, check": 1 };
function bytesPicture(parts, total) {
  const colour = (name) => rgb(scale(ROLES[name] ?? 1));
  return [el("div", { class: "bar", role: "img", "aria-label": parts.map(([n, v]) => `${n} ${v.toFixed(0)} bytes`).join(", ") }, parts.map(([name, v]) => el("div", { style: { width: `${100 * v / total}%`, background: colour(name) }, onpointermove: (e) => tip(e, el("b", null, name), `${v.toFixed(1)} bytes, ${(100 * v / total).toFixed(0)} %`), onpointerleave: () => tip() }))),
    el("div", { class: "legend" }, parts.map(([name, v]) => el("i", null, el("span", { class: "swatch", style: { background: colour(name) } }), `${name} `, el("b", null, v.toFixed(0)))))];
}
const tensorTable = (plan) => el("details", null, el("summary", null, "tensor by tensor"), el("div", { class: "scroll" }, el("table", null, el("thead", null, el("tr", null, ["tensor", "shape", "code"].map((n) => el("th", { class: "l" }, n)), el("th", null, "non-zero"), el("th", null, "of"))), el("tbody", null, plan.tensors.map((t) => el("tr", null, el("td", { class: "l" }, t.name), el("td", { class: "l" }, t.shape.join("×")), el("td", { class: "l" }, t.code), el("td", null, t.nonzero), el("td", null, t.shape.reduce((a, b) => a * b, 1))))))));

// Round by round: loss before and after each compression, and the bytes.
function roundsPicture(evaluations) {
  const rounds = evaluations.flatMap((e) => e.rounds.map((r) => ({ ...r, rung: e.rung })));
  if (!rounds.length) return null;
  const w = roomy(), h = 170, x = axis(0, Math.max(1, rounds.length - 1), 48, w - 56, false, 0.01), losses = rounds.flatMap((r) => [r.loss, r.float_loss, r.train_loss]).filter((v) => v > 0), y = axis(Math.min(...losses), Math.max(...losses), h - 24, 16, true, 0.05), b = axis(Math.min(...rounds.map((r) => r.bytes)), Math.max(...rounds.map((r) => r.bytes)), h - 24, 16, false, 0.05);
  const line = (name, at, colour, dash, width = 1.5) => sv("path", { d: path(rounds.map((r, k) => [x(k), at(Math.max(r[name], 1e-9))])), fill: "none", stroke: colour, "stroke-width": width, "stroke-dasharray": dash });
  const starts = rounds.map((r, k) => [r, k]).filter(([r, k]) => k && r.rung !== rounds[k - 1].rung);
  return [sv("svg", { viewBox: `0 0 ${w} ${h}`, width: w, height: h, role: "img", "data-rounds": rounds.length, "aria-label": `${rounds.length} rounds: calibration loss from ${rounds[0].loss.toFixed(3)} to ${rounds.at(-1).loss.toFixed(3)}, ${rounds[0].bytes} to ${rounds.at(-1).bytes} bytes` },
    y.ticks(4).map((v) => [sv("line", { x1: 48, x2: w - 56, y1: y(v), y2: y(v), class: "grid" }), sv("text", { x: 42, y: y(v) + 4, "text-anchor": "end" }, +v.toPrecision(2))]), b.ticks(3).map((v) => sv("text", { x: w - 50, y: b(v) + 4 }, tick("bytes", v))),
    starts.map(([r, k]) => [sv("line", { x1: x(k) - 4, x2: x(k) - 4, y1: 8, y2: h - 24, class: "axis" }), sv("text", { x: x(k), y: 14 }, r.rung === -1 ? "finishing" : `rung ${r.rung}`)]),
    line("bytes", b, ink("bar"), "1 3", 2), line("train_loss", y, ink("faint")), line("float_loss", y, ink("soft"), "5 3"), line("loss", y, ink("accent"), null, 2), rounds.map((r, k) => sv("circle", { cx: x(k), cy: y(Math.max(r.loss, 1e-9)), r: rounds.length > 60 ? 4 : 3, fill: ink("accent"), "fill-opacity": rounds.length > 60 ? 0 : 1, onpointermove: (e) => tip(e, el("b", null, `round ${k + 1}, ${r.steps} steps`), pairs([["training loss", r.train_loss.toFixed(3)], ["before compression", r.float_loss.toFixed(3)], ["decoded", r.loss.toFixed(3)], ["bytes", r.bytes]])), onpointerleave: () => tip() })),
    sv("text", { x: w / 2, y: h - 4, "text-anchor": "middle" }, "rounds")),
  el("div", { class: "legend" }, el("i", null, "━ calibration loss of the decoded network, bits per label"), el("i", null, "╍ before compression"), el("i", null, "─ grey: training"), el("i", null, "┈ bytes (right)"))];
}
const evaluationTable = (rows) => el("table", null, el("thead", null, el("tr", null, el("th", { class: "l" }, "decision"), el("th", { class: "l" }, "kind"), ["steps", "score", "accuracy", "loss", "bytes", "seen", "s"].map((n) => el("th", null, n)), el("th", { class: "l" }, "outcome"))), el("tbody", null, rows.map((e) => el("tr", null, el("td", { class: "l" }, e.decision), el("td", { class: "l" }, e.kind), el("td", null, e.steps), ["score", "accuracy", "loss", "bytes", "seen"].map((n) => el("td", null, show(n, e[n]))), el("td", null, e.seconds === null ? "–" : e.seconds.toFixed(1)), el("td", { class: "wrap" }, e.outcome, e.reason ? `: ${e.reason}` : "")))));

const fieldText = (v) => Array.isArray(v) ? JSON.stringify(v) : String(v);
function geneTable(rows, pictures) {
  if (!rows.length) return el("p", { class: "quiet" }, "not stored");
  return el("div", { class: "scroll" }, el("table", { class: "genes" }, el("thead", null, el("tr", null, ["gene", "id", pictures ? "taps" : null, "what it says", "fields"].filter(Boolean).map((n) => el("th", { class: "l" }, n)))), el("tbody", null, rows.map((r) => el("tr", null, el("td", { class: "l" }, r.place), el("td", { class: "l quiet" }, r.id ? `${r.id[0]}:${r.id[1]}` : "–"), pictures ? el("td", { class: "l" }, r.taps ? genePicture(r) : null) : null, el("td", { class: "wrap" }, r.from ? `from ${r.from}: ` : "", r.text), el("td", { class: "wrap code" }, Object.entries(r.fields).map(([k, v]) => `${k} = ${fieldText(v)}`).join("  ") || el("span", { class: "quiet" }, "all default")))))));
}
