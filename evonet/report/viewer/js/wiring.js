// What a stage of a plan means, connection by connection (evonet/plan/types.py, Stage), and its pictures.

const rowsOf = (stage, axis) => { const n = stage.target[axis + 1]; return Array.from({ length: n }, (_, y) => Math.floor(y * stage.span[axis] / n) + stage.shift[axis]); };

// Calls visit(target neuron, source neuron, weight index or -1, sign, tap) for every connection.
function connect(stage, visit) {
  const [sc, sh, sw] = stage.source, [oc, th, tw] = stage.target, rows = rowsOf(stage, 0), columns = rowsOf(stage, 1);
  const tying = stage.tying, n = tying ? tying.taps.length : 1, own = stage.own.length, one = stage.mixing === "depthwise" || stage.mixing === "identity";
  const inputs = one ? 1 : sc / stage.groups, aTile = Math.ceil(oc / n) * inputs * own, [tr, tc] = stage.tiles;
  for (let t = 0; t < stage.taps.length; t++) {
    const [dy, dx] = stage.taps[t];
    for (let y = 0; y < th; y++) {
      let sy = rows[y] + dy;
      if (stage.wrap) sy = ((sy % sh) + sh) % sh; else if (sy < 0 || sy >= sh) continue;
      for (let x = 0; x < tw; x++) {
        let sx = columns[x] + dx;
        if (stage.wrap) sx = ((sx % sw) + sw) % sw; else if (sx < 0 || sx >= sw) continue;
        const tile = (Math.floor(y * tr / th) * tc + Math.floor(x * tc / tw)) * aTile;
        for (let o = 0; o < oc; o++) {
          const place = tying ? tying.taps[o % n][t] : t;
          if (place < 0) continue;
          const sign = tying ? tying.signs[o % n][t] : 1, first = one ? stage.reads[o] : Math.floor(o * stage.groups / oc) * inputs;
          const target = (o * th + y) * tw + x, base = tile + Math.floor(o / n) * inputs * own + place;
          for (let i = 0; i < inputs; i++) visit(target, ((first + i) * sh + sy) * sw + sx, stage.weight === null ? -1 : base + i * own, sign, t);
        }
      }
    }
  }
}

// Mean |weight| and mean weight of every tap; without weights 1.
function tapStrength(stage, weights) {
  const own = stage.own.length, size = new Float64Array(own), sum = new Float64Array(own);
  if (!weights || stage.weight === null || !own) return stage.taps.map(() => [1, 1]);
  for (let k = 0; k < weights.length; k++) { size[k % own] += Math.abs(weights[k]); sum[k % own] += weights[k]; }
  const each = weights.length / own, tying = stage.tying;
  return stage.taps.map((_, t) => {
    if (!tying) return [size[t] / each, sum[t] / each];
    let a = 0, b = 0, used = 0;
    tying.taps.forEach((places, r) => { if (places[t] >= 0) { a += size[places[t]] / each; b += tying.signs[r][t] * sum[places[t]] / each; used++; } });
    return used ? [a / used, b / used] : [0, 0];
  });
}

// A motif: taps as squares around the position, filled by weight; long ones have a corner mark; dead ones are hollow.
function motifPicture(stage, weights, size = 150) {
  const strength = tapStrength(stage, weights), most = Math.max(1e-12, ...strength.map((s) => s[0])), all = [[0, 0], ...stage.taps, ...stage.dead];
  const low = Math.min(...all.flat()), high = Math.max(...all.flat()), oneSided = low === 0 && high > 0 && stage.covers;
  const reach = Math.max(1, -low, high), first = oneSided ? 0 : -reach, cells = oneSided ? reach + 1 : 2 * reach + 1, flat = stage.source[1] === 1;
  const side = size / cells, x = (dx) => (dx - first) * side, y = (dy) => flat ? 0 : (dy - first) * side, gap = Math.min(1, side * 0.08), marks = [];
  const local = (dy, dx) => stage.covers || Math.max(Math.abs(dy), Math.abs(dx)) <= stage.local;
  const put = (dy, dx, fill, more) => marks.push(sv("rect", { x: x(dx) + gap, y: y(dy) + gap, width: side - 2 * gap, height: side - 2 * gap, fill, rx: Math.min(1.5, side / 6), ...more }));
  for (const [dy, dx] of stage.dead) put(dy, dx, "none", { stroke: ink("faint"), "stroke-dasharray": "2 2" });
  stage.taps.forEach(([dy, dx], t) => {
    const s = strength[t], colour = weights ? signedColour((s[1] < 0 ? -1 : 1) * Math.max(0.12, s[0] / most)) : null;
    put(dy, dx, colour ? rgb(colour) : ink(local(dy, dx) ? "local" : "long"), { stroke: local(dy, dx) ? ink("line") : ink("ink"), "stroke-width": local(dy, dx) ? 0.7 : 1.1,
      onpointermove: (e) => tip(e, el("b", null, `tap (${dy}, ${dx})`), local(dy, dx) ? "local" : "long", weights ? pairs([["mean |w|", s[0].toPrecision(3)], ["mean w", s[1].toPrecision(3)]]) : null), onpointerleave: () => tip() });
    if (!local(dy, dx) && side > 7) marks.push(sv("circle", { cx: x(dx) + side / 2, cy: y(dy) + side / 2, r: Math.min(1.8, side / 7), fill: ink("ink"), "pointer-events": "none" }));
  });
  if (!stage.covers) { const r = stage.local + 0.5, c = flat ? side / 2 : y(0) + side / 2; marks.push(sv("rect", { x: x(0) + side / 2 - r * side, y: c - r * side, width: 2 * r * side, height: 2 * r * side, fill: "none", stroke: ink("soft"), "stroke-dasharray": "3 3", "pointer-events": "none" })); }
  marks.push(sv("path", { d: `M${x(0) + side / 2 - 3} ${y(0) + side / 2}h6m-3 -3v6`, stroke: ink("ink"), "stroke-width": 1.2, "pointer-events": "none" }));
  const longs = stage.taps.filter((t) => !local(...t)).length;
  return sv("svg", { viewBox: `0 0 ${size} ${flat ? side : size}`, width: size, height: flat ? Math.max(14, side) : size, role: "img", "data-taps": stage.taps.length, "aria-label": `${stage.name}: ${stage.taps.length} taps, ${longs} of them long, ${stage.dead.length} switched off` }, marks);
}

// The taps of a gene, where there is no plan: the same picture, coloured local and long.
function genePicture(row, size = 96) {
  const taps = [];
  for (let k = 0; k < row.taps.length; k += 2) taps.push([row.taps[k], row.taps[k + 1]]);
  return motifPicture({ name: row.place, taps, own: taps, dead: [], local: row.radius, covers: false, source: [1, 2, 2], weight: null, tying: null }, null, size);
}

// The boolean matrix (target neurons x source neurons), zoomable; where a pixel covers many cells it is their density.
function maskPicture(stage, weights) {
  const [S, T] = [stage.source, stage.target].map((s) => s[0] * s[1] * s[2]);
  const canvas = el("canvas", { class: "mask", tabindex: "0", role: "img" }), said = el("small", null, " "), w = 560, h = Math.max(120, Math.min(560, Math.round(560 * T / S)));
  canvas.style.setProperty("aspect-ratio", `${w} / ${h}`);
  canvas.width = w; canvas.height = h;
  const home = [0, 0, S, T];
  let box = [...home], strongest = 0;
  if (weights) for (const v of weights) strongest = Math.max(strongest, Math.abs(v));
  const draw = () => {
    const c = canvas.getContext("2d"), [x0, y0, bw, bh] = box, px = w / bw, py = h / bh, sum = new Float32Array(w * h), size = new Float32Array(w * h);
    let count = 0, inside = 0;
    connect(stage, (target, from, index, sign) => {
      count++;
      const ax = (from - x0) * px, ay = (target - y0) * py;
      if (ax + px < 0 || ay + py < 0 || ax >= w || ay >= h) return;
      const weight = weights && index >= 0 ? sign * weights[index] / (strongest || 1) : 1;
      inside++;
      const xa = Math.max(0, Math.floor(ax)), xb = Math.min(w - 1, Math.max(xa, Math.ceil(ax + px) - 1)), ya = Math.max(0, Math.floor(ay)), yb = Math.min(h - 1, Math.max(ya, Math.ceil(ay + py) - 1));
      for (let y = ya; y <= yb; y++) for (let x = xa; x <= xb; x++) { sum[y * w + x] += weight; size[y * w + x]++; }
    });
    const image = c.createImageData(w, h), paper = dark() ? [23, 27, 33] : [255, 255, 255], perPixel = Math.max(1, 1 / (px * py)), plain = dark() ? [106, 169, 233] : [43, 108, 176];
    let most = 1;
    for (const v of size) most = Math.max(most, v);
    for (let i = 0; i < w * h; i++) {
      let colour = paper;
      if (size[i]) {
        const fullness = perPixel > 1 ? 0.6 + 0.4 * size[i] / most : 1;
        const to = weights ? signedColour(sum[i] / size[i]) : plain;
        const base = weights ? (dark() ? [92, 103, 116] : [196, 202, 209]) : paper;
        const strong = weights ? Math.min(1, 0.4 + Math.abs(sum[i] / size[i]) * 1.4) : 1;
        colour = to.map((v, k) => Math.round(paper[k] + fullness * (base[k] + strong * (v - base[k]) - paper[k])));
      }
      image.data.set([...colour, 255], i * 4);
    }
    c.putImageData(image, 0, 0);
    canvas.dataset.ones = count;
    canvas.setAttribute("aria-label", `Mask of ${stage.name}: ${T} target by ${S} source neurons, ${count} connections`);
    put(said, `${whole.format(T)} × ${whole.format(S)}, ${whole.format(count)} connections (${(100 * count / T / S).toPrecision(2)} %)`, box.every((v, k) => v === home[k]) ? "; scroll or + to zoom, drag to move" : ` — rows ${whole.format(Math.floor(y0))}…${whole.format(Math.ceil(y0 + bh) - 1)}, columns ${whole.format(Math.floor(x0))}…${whole.format(Math.ceil(x0 + bw) - 1)}`);
  };
  const zoom = (factor, fx = 0.5, fy = 0.5) => {
    const bw = Math.min(S, Math.max(8, box[2] * factor)), bh = Math.min(T, Math.max(8, box[3] * factor));
    move(box[0] + (box[2] - bw) * fx, box[1] + (box[3] - bh) * fy, bw, bh);
  };
  let frame = 0;
  const move = (x, y, bw, bh) => { box = [Math.max(0, Math.min(S - bw, x)), Math.max(0, Math.min(T - bh, y)), bw, bh]; cancelAnimationFrame(frame); frame = requestAnimationFrame(draw); };
  canvas.addEventListener("wheel", (e) => { e.preventDefault(); zoom(e.deltaY > 0 ? 1.4 : 1 / 1.4, e.offsetX / canvas.clientWidth, e.offsetY / canvas.clientHeight); }, { passive: false });
  let grip = null;
  canvas.addEventListener("pointerdown", (e) => { grip = [e.clientX, e.clientY, ...box]; canvas.setPointerCapture(e.pointerId); });
  canvas.addEventListener("pointerup", () => { grip = null; });
  canvas.addEventListener("pointermove", (e) => {
    if (grip) return move(grip[2] - (e.clientX - grip[0]) / canvas.clientWidth * box[2], grip[3] - (e.clientY - grip[1]) / canvas.clientHeight * box[3], box[2], box[3]);
    const s = Math.floor(box[0] + e.offsetX / canvas.clientWidth * box[2]), t = Math.floor(box[1] + e.offsetY / canvas.clientHeight * box[3]);
    if (s < 0 || t < 0 || s >= S || t >= T) return tip();
    const name = (k, shape) => `channel ${Math.floor(k / shape[1] / shape[2])}, (${Math.floor(k / shape[2]) % shape[1]}, ${k % shape[2]})`, hit = at(t, s);
    tip(e, pairs([["target", name(t, stage.target)], ["source", name(s, stage.source)], ["weight", hit === undefined ? "not connected" : hit === null ? "mean, no weight" : weights ? hit.toPrecision(3) : "connected"]]));
  });
  canvas.addEventListener("pointerleave", () => tip());
  canvas.addEventListener("keydown", (e) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
    if (e.key === "+" || e.key === "=") zoom(1 / 1.5); else if (e.key === "-") zoom(1.5); else if (e.key === "0") move(...home);
    else if (way) move(box[0] + way[0] * box[2] / 5, box[1] + way[1] * box[3] / 5, box[2], box[3]); else return;
    e.preventDefault();
  });
  let index = null;
  const at = (t, s) => {
    if (!index) { index = new Map(); connect(stage, (target, from, k, sign) => index.set(target * S + from, k < 0 ? null : weights ? sign * weights[k] : 1)); }
    return index.get(t * S + s);
  };
  frame = requestAnimationFrame(draw);
  return el("div", null, canvas, el("div", { class: "tools", style: { margin: "4px 0 0" } }, el("button", { onclick: () => zoom(1 / 1.6), "aria-label": "Zoom in" }, "+"), el("button", { onclick: () => zoom(1.6), "aria-label": "Zoom out" }, "−"), el("button", { onclick: () => move(...home) }, "all"), said));
}

// Connections by Chebyshev distance, the random twin's as an outline.
function distancePicture(stage, twin) {
  const bins = [[0, 0], [1, 1], [2, 2], [3, 3], [4, 7], [8, 15], [16, 1e9]], names = ["0", "1", "2", "3", "4–7", "8–15", "16+"];
  const take = (list) => { const total = list.reduce((a, [, n]) => a + n, 0) || 1; return bins.map(([a, b]) => list.reduce((s, [d, n]) => s + (d >= a && d <= b ? n : 0), 0) / total); };
  const ours = take(stage.distances), theirs = twin ? take(twin) : null, w = 260, h = 120, high = Math.max(0.05, ...ours, ...(theirs || []));
  const last = Math.max(3, ...bins.map((_, k) => ours[k] || theirs?.[k] ? k : 0)), step = w / (last + 1), y = (v) => 96 - 78 * v / high;
  return sv("svg", { viewBox: `0 0 ${w} ${h}`, width: w, role: "img", "aria-label": `Connections by distance: ${names.slice(0, last + 1).map((n, k) => `${n}: ${(100 * ours[k]).toFixed(0)} %`).join(", ")}` },
    sv("line", { x1: 0, x2: w, y1: 96, y2: 96, class: "axis" }),
    names.slice(0, last + 1).map((n, k) => [
      sv("rect", { x: k * step + step * 0.18, width: step * 0.46, y: y(ours[k]), height: 96 - y(ours[k]), fill: ink(k > 3 ? "long" : "local") }),
      theirs ? sv("rect", { x: k * step + step * 0.3, width: step * 0.5, y: y(theirs[k]), height: Math.max(0, 96 - y(theirs[k])), fill: "none", stroke: ink("twin"), "stroke-width": 1.2, "stroke-dasharray": "3 2" }) : null,
      ours[k] > 0.005 ? sv("text", { x: k * step + step * 0.41, y: y(ours[k]) - 4, "text-anchor": "middle" }, `${(100 * ours[k]).toFixed(0)}%`) : null,
      sv("text", { x: k * step + step / 2, y: 112, "text-anchor": "middle" }, n)]));
}
