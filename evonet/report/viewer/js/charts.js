// Axes and canvases, shared by the views.

const nice = (low, high, n) => {
  const raw = (high - low) / Math.max(n, 1) || 1, power = 10 ** Math.floor(Math.log10(raw)), f = raw / power;
  const step = (f < 1.5 ? 1 : f < 3.5 ? 2 : f < 7.5 ? 5 : 10) * power, found = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9; v += step) found.push(Math.abs(v) < step / 1e6 ? 0 : v);
  return found;
};
function logTicks(low, high) {
  const decades = Math.log10(high / low), steps = decades > 4 ? [1] : decades > 1.6 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8], found = [];
  for (let p = Math.floor(Math.log10(low)); p <= Math.log10(high); p++) for (const s of steps) if (s * 10 ** p >= low * 0.999 && s * 10 ** p <= high * 1.001) found.push(s * 10 ** p);
  return found.length > 1 ? found : [low, high];
}
// value -> pixel; `pad` leaves room at both ends.
function axis(low, high, from, to, log, pad = 0.03) {
  let [a, b] = log ? [Math.log(low), Math.log(high)] : [low, high];
  if (a === b) { a -= Math.abs(a) * 0.05 + 0.5; b += Math.abs(b) * 0.05 + 0.5; }
  const more = (b - a) * pad;
  a -= more; b += more;
  const at = (v) => from + (to - from) * ((log ? Math.log(v) : v) - a) / (b - a);
  at.back = (p) => { const v = a + (b - a) * (p - from) / (to - from); return log ? Math.exp(v) : v; };
  at.ticks = (n) => log ? logTicks(Math.exp(a), Math.exp(b)) : nice(a, b, n);
  at.ends = [from, to];
  return at;
}

function canvasOf(box, name) {
  const canvas = el("canvas", { class: name || null });
  box.append(canvas);
  return canvas;
}
function ready(canvas, width, height) {
  const ratio = Math.min(devicePixelRatio || 1, 2);
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const c = canvas.getContext("2d");
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  c.clearRect(0, 0, width, height);
  c.font = "11px system-ui, 'DejaVu Sans', sans-serif";
  return c;
}

const evenly = (name, ticks) => ["n", undefined].includes((MEASURES[name] || [])[2]) ? ticks.filter((v) => Math.abs(v - Math.round(v)) < 1e-6 || Math.abs(v) > 1e3) : ticks;

function drawAxes(c, box, x, y, names) {
  c.strokeStyle = ink("hair"); c.fillStyle = ink("soft"); c.lineWidth = 1; c.textBaseline = "middle";
  c.textAlign = "right";
  let free = Infinity;
  for (const v of evenly(names[1], y.ticks(Math.max(2, (box.bottom - box.top) / 48)))) {
    const p = Math.round(y(v)) + 0.5;
    if (p < box.top || p > box.bottom || Math.abs(free - p) < 14) continue;
    free = p;
    c.beginPath(); c.moveTo(box.left, p); c.lineTo(box.right, p); c.stroke();
    c.fillText(tick(names[1], v), box.left - 7, p);
  }
  c.textAlign = "center"; c.textBaseline = "top";
  let end = -Infinity;
  for (const v of evenly(names[0], x.ticks(Math.max(2, (box.right - box.left) / 80)))) {
    const p = Math.round(x(v)) + 0.5, text = tick(names[0], v), half = c.measureText(text).width / 2;
    if (p < box.left || p > box.right) continue;
    c.beginPath(); c.moveTo(p, box.top); c.lineTo(p, box.bottom); c.stroke();
    if (p - half < end + 6) continue;
    c.fillText(text, p, box.bottom + 6);
    end = p + half;
  }
  c.strokeStyle = ink("line");
  c.beginPath(); c.moveTo(box.left + 0.5, box.top); c.lineTo(box.left + 0.5, box.bottom + 0.5); c.lineTo(box.right, box.bottom + 0.5); c.stroke();
  c.fillStyle = ink("ink"); c.textAlign = "right"; c.textBaseline = "top";
  c.fillText(names[2] || "", box.right, box.bottom + 21);
  c.textAlign = "left"; c.textBaseline = "bottom";
  c.fillText(names[3] || "", 2, box.top - 7);
}
function tick(name, v) {
  const kind = (MEASURES[name] || [])[2];
  if (kind === "%") return `${+(100 * v).toFixed(1)}%`;
  const a = Math.abs(v);
  return (v < 0 ? "−" : "") + (a >= 1e6 ? `${+(a / 1e6).toPrecision(4)}M` : a >= 1e4 ? `${+(a / 1e3).toPrecision(4)}k` : a >= 100 ? whole.format(a) : String(+a.toPrecision(3)));
}

// A line through [[x, y], ...] as SVG with a baseline; `at` gives pixels.
const path = (points) => points.map((p, i) => `${i ? "L" : "M"}${p[0].toFixed(1)} ${p[1].toFixed(1)}`).join("");
const select = (label, names, value, change) => el("label", null, label, el("select", { onchange: (e) => change(e.target.value), "aria-label": label }, names.map((n) => el("option", { value: n, selected: n === value }, word(n)))));
// How wide a picture in a panel of the view can be.
const roomy = () => Math.max(280, $("main").clientWidth - 58);
const toggle = (label, on, change, title) => el("button", { "aria-pressed": String(on), onclick: change, title }, label);
const panel = (title, tools, ...children) => el("section", { class: "panel" }, title ? el("header", null, el("h2", null, title), tools) : null, children);

function colourBar(low, high, name) {
  const bar = el("canvas", { width: 120, height: 9, "aria-hidden": "true" }), c = bar.getContext("2d");
  for (let i = 0; i < 120; i++) { c.fillStyle = rgb(scale(i / 119)); c.fillRect(i, 0, 1, 9); }
  return el("i", null, word(name), " ", show(name, low), bar, show(name, high));
}
function whenResized(box, draw) {
  let width = box.clientWidth;
  const watch = new ResizeObserver(() => {
    if (!box.isConnected) return watch.disconnect();
    if (Math.abs(box.clientWidth - width) > 1) { width = box.clientWidth; draw(); }
  });
  watch.observe(box);
}
