// Every individual that passes the filter; only the rows in sight are in the document.

const HEIGHT = 26, PAGE = 100;
const COLUMNS = ["score", "accuracy", "loss", "bytes", "macs", "weights", "nonzero", "sheets", "taps", "long_share", "seen", "code", "choice_accuracy"];
const table = {
  ask: latest(),
  mount(root) {
    this.total = 0; this.pages = new Map();
    this.names = [...COLUMNS, ...onRequest()];
    this.said = el("small");
    this.body = el("tbody");
    this.head = el("tr");
    this.grid = el("div", { class: "grid", tabindex: "0", role: "region", "aria-label": "Individuals; arrow keys move the selection", onscroll: () => this.draw(), onkeydown: (e) => this.key(e) }, el("table", null, el("colgroup", null, [56, 44, 140, 68, ...this.names.map(() => 74)].map((w) => el("col", { style: { width: `${w}px` } }))), el("thead", null, this.head), this.body));
    root.append(el("div", { class: "tools" }, filterBox(), this.said, el("button", { onclick: () => this.csv() }, "CSV")), this.grid);
    this.update(new Set(["s"]));
  },
  update(changed) {
    if (changed.has("id") && changed.size === 1) {
      for (const row of this.body.querySelectorAll("tr[data-id]")) { const on = Number(row.dataset.id) === selected(); row.classList.toggle("on", on); row.setAttribute("aria-selected", String(on)); }
      return;
    }
    this.drawHead();
    this.pages.clear();
    this.fetch(0, true);
  },
  drawHead() {
    const sort = (name) => () => go(state.s === name ? { d: state.d === "1" ? "0" : "1" } : { s: name, d: moreIsBetter(name) === true ? "1" : "0" });
    const head = (name, words, left) => el("th", { class: left ? "l" : null, title: UNITS[name], "aria-sort": state.s === name ? (state.d === "1" ? "descending" : "ascending") : null }, el("button", { onclick: sort(name) }, words, state.s === name ? (state.d === "1" ? " ↓" : " ↑") : ""));
    put(this.head, head("id", "id", true), head("generation", "gen"), el("th", { class: "l" }, "born by"), el("th", { class: "l" }, "state"), this.names.map((n) => head(n, word(n))));
  },
  fetch(page, fresh) {
    if (this.pages.has(page)) return;
    this.pages.set(page, null);
    const asked = source.page(state.s, state.d === "1", conditions(), page * PAGE, PAGE), pages = this.pages;
    const take = (found) => {
      if (pages !== this.pages) return;
      pages.set(page, found.rows);
      this.total = found.total;
      put(this.said, plural(found.total, "individual"));
      this.grid.dataset.total = found.total;
      if (fresh) this.grid.scrollTop = 0;
      this.draw();
    };
    if (fresh) this.ask(asked, take); else asked.then(take, (e) => say(e.message));
  },
  rowAt(k) { return this.pages.get(Math.floor(k / PAGE))?.[k % PAGE]; },
  draw() {
    const first = Math.max(0, Math.floor(this.grid.scrollTop / HEIGHT) - 8), last = Math.min(this.total, first + Math.ceil(this.grid.clientHeight / HEIGHT) + 16), rows = [];
    for (let p = Math.floor(first / PAGE); p <= Math.floor(Math.max(first, last - 1) / PAGE); p++) this.fetch(p);
    // Browsers cap the height of an element near 30 million pixels; a million rows of 26 stay below.
    const pad = (n) => el("tr", { class: "pad" }, el("td", { style: { height: `${n * HEIGHT}px` }, colspan: this.names.length + 4 }));
    for (let k = first; k < last; k++) {
      const r = this.rowAt(k);
      rows.push(r ? el("tr", { "data-id": r.id, class: r.id === selected() ? "on" : null, "aria-selected": String(r.id === selected()), onclick: () => pick(r.id), ondblclick: () => go({ view: "individual", id: r.id }) },
        el("td", { class: "l" }, `#${r.id}`), el("td", null, r.generation), el("td", { class: "l", title: run.words[r.operator] }, run.words[r.operator] || run.kinds[r.kind]), el("td", { class: "l" }, r.rung === -1 ? "finished" : run.states[r.state]), this.names.map((n) => el("td", null, show(n, r[n], n === "macs" || n === "seen")))) : el("tr", null, el("td", { colspan: this.names.length + 4, class: "l quiet" }, "…")));
    }
    put(this.body, first ? pad(first) : null, rows, last < this.total ? pad(this.total - last) : null);
    this.grid.dataset.shown = rows.length;
  },
  key(e) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (e.key === "Enter" && selected() !== null) return go({ view: "individual" });
    if (!step) return;
    e.preventDefault();
    let k = -1;
    for (const [p, rows] of this.pages) rows?.forEach((r, i) => { if (r.id === selected()) k = p * PAGE + i; });
    const next = this.rowAt(Math.max(0, Math.min(this.total - 1, k + step)));
    if (!next) return;
    const top = (k + step) * HEIGHT;
    if (top < this.grid.scrollTop + HEIGHT || top > this.grid.scrollTop + this.grid.clientHeight - 3 * HEIGHT) this.grid.scrollTop = top - this.grid.clientHeight / 2;
    pick(next.id);
  },
  async csv() {
    const names = ["id", "generation", "kind", "operator", "p0", "p1", "state", "rung", ...run.numbers], lines = [names.join(",")], most = 200000;
    for (let at = 0; at < Math.min(this.total, most); at += 500) {
      const { rows } = await source.page(state.s, state.d === "1", conditions(), at, 500);
      for (const r of rows) lines.push(names.map((n) => n === "kind" ? run.kinds[r.kind] : n === "operator" ? run.words[r.operator] : n === "state" ? run.states[r.state] : r[n] ?? "").map(cell).join(","));
    }
    if (this.total > most) say(`the file holds the first ${whole.format(most)} rows; evonet table ${run.path} --csv FILE writes all`);
    download(`${run.name}.csv`, lines.join("\n") + "\n", "text/csv");
  },
};
// A spreadsheet takes a leading = + - @ for a formula; numbers may be negative.
const cell = (v) => { const text = typeof v === "string" && /^[=+\-@\t\r]/.test(v) ? `'${v}` : String(v); return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text; };
