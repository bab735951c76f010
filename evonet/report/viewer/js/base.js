// Elements, words and colours. Data reaches the page through text nodes and attributes set here, never as markup.

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}
const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const sv = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
const put = (node, ...children) => { node.replaceChildren(); return fill(node, null, children); };

// name -> [words, more is better, kind of number]
const MEASURES = {
  id: ["id", null, "n"], generation: ["generation", null, "n"], score: ["score", true, "score"],
  accuracy: ["accuracy", true, "%"], loss: ["loss", false, "f"], bytes: ["bytes", false, "n"], macs: ["MACs", false, "n"],
  weights: ["weights", false, "n"], nonzero: ["non-zero", false, "n"], connections: ["connections", false, "n"],
  sheets: ["sheets", false, "n"], taps: ["taps", false, "n"], long_share: ["long share", null, "%"], seen: ["seen", null, "n"],
  seconds: ["seconds", false, "f1"], choice_score: ["choice score", true, "score"],
  choice_accuracy: ["choice accuracy", true, "%"], choice_loss: ["choice loss", false, "f"], code: ["genome bytes", false, "n"],
  corrupted_loss: ["corrupted loss", false, "f"], corrupted_accuracy: ["corrupted accuracy", true, "%"],
  milliseconds: ["ms", false, "f"], single_ms: ["ms alone", false, "f"], batched_ms: ["ms in a batch", false, "f"],
};
// The last five: runs measure them on request.
const ON_REQUEST = Object.keys(MEASURES).slice(-5);
const onRequest = () => ON_REQUEST.filter((name) => run.numbers.includes(name));
const UNITS = { loss: "bits per label, validation", bytes: "of the package", accuracy: "validation", macs: "per image",
  long_share: "of |weight| beyond distance 3", seen: "training examples of the line", seconds: "of the last evaluation",
  corrupted_loss: "bits per label, under training corruptions", corrupted_accuracy: "under training corruptions",
  milliseconds: "predicted, per image", single_ms: "measured, one image at a time", batched_ms: "measured, per image of 64" };
const word = (name) => (MEASURES[name] || [name])[0];
const moreIsBetter = (name) => (MEASURES[name] || [])[1];

const counted = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const minus = (text) => text.startsWith("-") ? `−${text.slice(1)}` : text;
const whole = { format: (n) => minus(counted.format(n)) };
function show(name, value, short) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const kind = (MEASURES[name] || ["", null, "n"])[2];
  if (kind === "%") return `${(100 * value).toFixed(1)}${short ? "%" : " %"}`;
  if (kind === "f") return minus(value.toFixed(3));
  if (kind === "f1") return value.toFixed(1);
  if (kind === "score") return Math.abs(run.best[0]?.score ?? value) < 100 && Math.abs(value) < 1e4 ? minus(value.toFixed(3)) : whole.format(value);
  if (short && Math.abs(value) >= 1e4) return value >= 1e6 ? `${+(value / 1e6).toPrecision(3)}M` : `${+(value / 1e3).toPrecision(3)}k`;
  return whole.format(value);
}
const signed = (name, value) => value === null || Number.isNaN(value) ? "–" : (value > 0 ? "+" : value < 0 ? "−" : "±") + show(name, Math.abs(value));
const plural = (n, one, many) => `${whole.format(n)} ${n === 1 ? one : many || one + "s"}`;
function span(seconds) {
  const s = Math.round(seconds), m = Math.floor(s / 60), h = Math.floor(m / 60);
  return h ? `${h} h ${m % 60} min` : m ? `${m} min` : `${s} s`;
}

// Perceptually uniform and safe for the colour-blind: viridis (Smith and van der Walt, 2015), its ends trimmed for white.
const VIRIDIS = [[68, 1, 84], [71, 39, 119], [62, 73, 137], [48, 104, 142], [38, 130, 142], [31, 157, 138], [62, 188, 116], [122, 209, 81], [192, 217, 54]];
function scale(t) {
  const x = (dark() ? 0.2 + 0.8 * Math.min(Math.max(t, 0), 1) : Math.min(Math.max(t, 0), 1)) * (VIRIDIS.length - 1), i = Math.min(Math.floor(x), VIRIDIS.length - 2), f = x - i;
  return VIRIDIS[i].map((a, k) => Math.round(a + f * (VIRIDIS[i + 1][k] - a)));
}
const rgb = (c, alpha) => alpha === undefined ? `rgb(${c[0]},${c[1]},${c[2]})` : `rgba(${c[0]},${c[1]},${c[2]},${alpha})`;
const dark = () => document.documentElement.dataset.theme === "dark";
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
// Signed weights: blue below zero, paper at zero, orange above (both ends equally far from the paper).
function signedColour(v) {
  const t = Math.max(-1, Math.min(1, v)), to = t < 0 ? (dark() ? [86, 160, 235] : [33, 102, 172]) : dark() ? [245, 135, 60] : [200, 90, 20], from = dark() ? [34, 40, 48] : [244, 245, 246];
  const s = Math.pow(Math.abs(t), 0.7);
  return from.map((a, k) => Math.round(a + s * (to[k] - a)));
}

function applyTheme() {
  let kept = null;
  try { kept = localStorage.getItem("evonet-theme"); } catch { /* a page from disk may have no storage */ }
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.theme = kept || document.documentElement.dataset.chosen || system;
}
function toggleTheme() {
  const next = dark() ? "light" : "dark";
  document.documentElement.dataset.chosen = next;
  try { localStorage.setItem("evonet-theme", next); } catch { /* as above */ }
  applyTheme();
  everything();
}

function tip(event, ...children) {
  const box = $("tip");
  if (!children.length) { box.hidden = true; return; }
  put(box, ...children).hidden = false;
  const w = box.offsetWidth, h = box.offsetHeight;
  box.style.left = `${Math.max(4, event.clientX + 14 + w > innerWidth ? event.clientX - w - 12 : event.clientX + 14)}px`;
  box.style.top = `${Math.max(4, event.clientY + 14 + h > innerHeight ? event.clientY - h - 10 : event.clientY + 14)}px`;
}
const pairs = (rows, kind) => el("dl", { class: kind }, rows.filter((r) => r && r[1] !== null && r[1] !== undefined).map(([k, v]) => [el("dt", null, k), el("dd", null, v)]));

function download(name, data, type) {
  const link = el("a", { href: URL.createObjectURL(new Blob([data], { type })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
async function copy(text, button) {
  try { await navigator.clipboard.writeText(text); } catch {
    const area = el("textarea", { readonly: true });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.textContent = "copied";
  setTimeout(() => { button.textContent = "copy"; }, 1200);
}
const command = (text) => el("div", { class: "cmd" }, el("code", null, text), el("button", { onclick: (e) => copy(text, e.currentTarget), "aria-label": `Copy: ${text}` }, "copy"));
const quoted = (text) => /^[\w./:@%+,=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
const about = (id) => el("a", { href: link({ id }), "data-pick": id }, `#${id}`);
