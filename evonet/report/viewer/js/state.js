// What is chosen: view, individual, second individual, axes, filter. All of it is in the address behind '#'.

let run = null;
let source = null;
const DEFAULTS = { view: "overview", id: "", b: "", x: "bytes", y: "accuracy", lx: "1", ly: "0", c: "generation", m: "score", g: "", s: "score", d: "1", f: "", all: "1" };
let state = { ...DEFAULTS };

function readHash() {
  const found = new URLSearchParams(location.hash.slice(1)), next = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS)) if (found.has(name)) next[name] = found.get(name);
  if (!Object.hasOwn(VIEWS, next.view)) next.view = "overview";
  for (const name of ["id", "b", "g"]) if (!/^\d{1,9}$/.test(next[name])) next[name] = "";
  for (const name of ["x", "y", "c", "m", "s"]) if (!Object.hasOwn(MEASURES, next[name])) next[name] = DEFAULTS[name];
  return next;
}

function link(change) {
  const next = { ...state, ...change }, out = new URLSearchParams();
  for (const name of Object.keys(DEFAULTS)) if (String(next[name]) !== DEFAULTS[name]) out.set(name, next[name]);
  return `#${out}`;
}
function go(change, keep) {
  const to = link(change);
  if (to === (location.hash || "#")) return;
  if (keep) { history.replaceState(null, "", to); moved(); } else location.hash = to;
}
const pick = (id) => go({ id });
const selected = () => state.id === "" ? null : Number(state.id);
const conditions = () => parseFilter(state.f)[0];

// Redraw what a change concerns; `everything` after new data or another theme.
let last = null;
function moved() {
  const next = readHash();
  const changed = new Set(Object.keys(DEFAULTS).filter((k) => !last || next[k] !== last[k]));
  state = next;
  last = { ...next };
  if (!changed.size) return;
  tip();
  const box = $("filter");
  if (box && box !== document.activeElement) box.value = state.f;
  if (changed.has("view")) { drawHead(); mount(); } else VIEWS[state.view].update(changed);
  if (changed.has("id") || changed.has("b") || changed.has("view")) drawSide();
  performance.mark("drawn");
}
function everything() { drawHead(); mount(); drawSide(); }
function mount() {
  const root = $("main");
  tip();
  put(root);
  VIEWS[state.view].mount(root);
  document.title = `${run.name} · ${state.view} · evonet`;
}
// An answer that comes after another question was asked is dropped.
function latest() {
  let asked = 0;
  return async (promise, then) => {
    const mine = ++asked;
    try { const found = await promise; if (mine === asked) then(found); } catch (error) { if (mine === asked) say(error.message); }
  };
}
function say(text) { const box = $("notice"); put(box, text || ""); box.hidden = !text; }
