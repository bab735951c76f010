// Where answers come from: a report has its data inside, the served page asks.

class Report extends Local {
  constructor() { super(); this.details_ = new Map(); this.genes_ = new Map(); }

  async open() {
    run = JSON.parse($("run").textContent);
    const [, columns] = unpackColumns(await inflated($("columns").textContent));
    this.merge(columns, run.count);
  }

  async details(id) {
    if (this.details_.has(id)) return this.details_.get(id);
    const block = $(`detail-${Number(id)}`);
    const found = block ? await inflatedJson(block.textContent) : await this.genesOnly(id);
    this.details_.set(id, found);
    return found;
  }

  async genesOnly(id) {
    const chunk = Math.floor(id / run.chunk), block = $(`genes-${chunk}`);
    if (block && !this.genes_.has(chunk)) this.genes_.set(chunk, await inflatedJson(block.textContent));
    const found = block ? this.genes_.get(chunk)[id - chunk * run.chunk] : null;
    const problem = typeof found === "string" ? found : "";
    return { id, genes: problem || !found ? [] : found, problem, partial: true, evaluations: [] };
  }

  async failures() { return run.failures; }
  async refresh() { return false; }
}

class Served extends Local {
  constructor() { super(); this.details_ = new Map(); this.version = -1; }

  async get(path, parameters) {
    const query = new URLSearchParams(parameters || {}).toString();
    const answer = await fetch(`api/${path}${query ? `?${query}` : ""}`, { credentials: "same-origin", cache: "no-store" });
    if (!answer.ok) {
      let said = `${answer.status} ${answer.statusText}`;
      try { said = (await answer.json()).error || said; } catch { /* not from evonet */ }
      throw new Error(said);
    }
    return answer;
  }
  async ask(path, parameters) { return (await this.get(path, parameters)).json(); }

  async open() { run = await this.ask("run"); await this.columnsSince(-1); }

  async columnsSince(version) {
    if (run.mode !== "columns") { this.count = run.count; this.version = run.version; this.kept.clear(); return; }
    const [head, columns] = unpackColumns(await (await this.get("columns", { since: version })).arrayBuffer());
    run.words = head.words;
    if (head.count) this.merge(columns, head.count);
    this.version = head.version;
  }

  // Whether anything has changed; a run that is over its size for columns is asked by pages from then on.
  async refresh() {
    const next = await this.ask("run");
    const changed = next.version !== this.version || next.state !== run.state || next.mode !== run.mode;
    run = next;
    if (changed) { await this.columnsSince(this.version); this.details_.clear(); }
    return changed;
  }

  get binned() { return run.mode !== "columns"; }

  async page(sort, descending, conditions, offset, limit) {
    if (!this.binned) return super.page(sort, descending, conditions, offset, limit);
    return this.ask("page", { sort, descending: Number(descending), filters: JSON.stringify(conditions), offset, limit });
  }
  async bands(name, conditions) { return this.binned ? this.ask("bands", { measure: name, filters: JSON.stringify(conditions) }) : super.bands(name, conditions); }
  async atlas(conditions) { return this.binned ? this.ask("atlas", { filters: JSON.stringify(conditions) }) : super.atlas(conditions); }
  async lineage(id) { return this.binned ? this.ask(`lineage/${Number(id)}`) : super.lineage(id); }
  async children(id) { return this.binned ? this.ask(`children/${Number(id)}`) : super.children(id); }
  async rowOf(id) { return this.binned ? this.ask(`row/${Number(id)}`) : super.rowOf(id); }
  async spread(view, conditions) {
    return this.ask("spread", { x: view.x, y: view.y, xlog: view.lx, ylog: view.ly, colour: view.colour, filters: JSON.stringify(conditions), more: `${Number(moreIsBetter(view.x) === true)}${Number(moreIsBetter(view.y) === true)}` });
  }
  async details(id) {
    if (!this.details_.has(id)) this.details_.set(id, await this.ask(`individual/${Number(id)}`));
    return this.details_.get(id);
  }
  async failures() { return this.ask("failures"); }

  async act(kind, data) {
    const answer = await fetch("api/act", { method: "POST", credentials: "same-origin", headers: { "Content-Type": "application/json", "X-Evonet-Key": run.key }, body: JSON.stringify({ kind, ...data }) });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.error);
    return said.done;
  }
}
