// A run whose columns the page has: everything is computed here (answers.py does the same for larger runs).

const EMPTY = { i4: -1 };

class Local {
  constructor() { this.columns = {}; this.count = 0; this.kept = new Map(); }

  // Rows of `columns` take the places named in its `id`.
  merge(columns, count) {
    for (const [name, values] of Object.entries(columns)) {
      if (name === "id") continue;
      let own = this.columns[name];
      if (!own || own.length < count) {
        const longer = new values.constructor(count === values.length ? count : Math.ceil(count * 1.5) + 64);
        if (own) longer.set(own);
        own = this.columns[name] = longer;
      }
      if (columns.id.length === count) own.set(values);
      else for (let i = 0; i < values.length; i++) own[columns.id[i]] = values[i];
    }
    this.count = count;
    this.kept.clear();
  }

  value(name, i) {
    if (name === "id") return i;
    if (name === "generation") return Math.floor(i / run.population);
    const column = this.columns[name], v = column[i];
    return Number.isNaN(v) || (column instanceof Int32Array && v === -1) ? null : v;
  }

  // Float64 with NaN for what is not known; made once per column and version.
  numbers(name) {
    const key = `n ${name}`;
    if (!this.kept.has(key)) {
      const out = new Float64Array(this.count), column = this.columns[name], none = column instanceof Int32Array ? -1 : NaN;
      if (column) for (let i = 0; i < this.count; i++) { const v = column[i]; out[i] = v === none ? NaN : v; }
      else for (let i = 0; i < this.count; i++) out[i] = this.value(name, i);
      this.kept.set(key, out);
    }
    return this.kept.get(key);
  }

  row(i) {
    if (!(i >= 0 && i < this.count)) return null;
    const row = { id: i, generation: Math.floor(i / run.population) };
    for (const name of [...run.numbers, "rung", "kind", "operator", "state", "p0", "p1", "genes"]) row[name] = this.value(name, i);
    return row;
  }

  passing(conditions) {
    const key = `f ${JSON.stringify(conditions)}`;
    if (this.kept.has(key)) return this.kept.get(key);
    const keep = new Uint8Array(this.count).fill(1);
    for (const [name, op, value] of conditions) {
      const test = this.test(name, op, value);
      for (let i = 0; i < this.count; i++) if (keep[i] && !test(i)) keep[i] = 0;
    }
    this.kept.set(key, keep);
    return keep;
  }

  test(name, op, value) {
    if (name === "gene") {
      const bit = 1 << run.features.indexOf(value), genes = this.columns.genes, wanted = op === "has";
      return (i) => ((genes[i] & bit) !== 0) === wanted;
    }
    if (["state", "kind", "operator"].includes(name)) {
      const words = name === "state" ? run.states : name === "kind" ? run.kinds : run.words;
      const among = new Set(words.flatMap((w, k) => (name === "operator" ? w.includes(value) : w === value) ? [k] : []));
      const column = this.columns[name];
      return (i) => among.has(column[i]) === (op === "=");
    }
    const v = this.numbers(name), near = (a) => Math.abs(a - value) <= 1e-8 + 1e-5 * Math.abs(value);
    return { "<": (i) => v[i] < value, "<=": (i) => v[i] <= value, ">": (i) => v[i] > value, ">=": (i) => v[i] >= value, "=": (i) => near(v[i]), "!=": (i) => !Number.isNaN(v[i]) && !near(v[i]) }[op];
  }

  order(sort, descending, conditions) {
    const key = `o ${sort} ${descending} ${JSON.stringify(conditions)}`;
    if (!this.kept.has(key)) {
      const keep = this.passing(conditions), v = this.numbers(sort), sign = descending ? -1 : 1, ids = [];
      for (let i = 0; i < this.count; i++) if (keep[i]) ids.push(i);
      ids.sort((a, b) => Number.isNaN(v[a]) ? (Number.isNaN(v[b]) ? a - b : 1) : Number.isNaN(v[b]) ? -1 : sign * (v[a] - v[b]) || a - b);
      this.kept.set(key, ids);
    }
    return this.kept.get(key);
  }

  async page(sort, descending, conditions, offset, limit) {
    const ids = this.order(sort, descending, conditions);
    return { total: ids.length, offset, rows: ids.slice(offset, offset + limit).map((i) => this.row(i)) };
  }

  front(x, y, conditions) {
    const key = `b ${x} ${y} ${JSON.stringify(conditions)}`;
    if (!this.kept.has(key)) this.kept.set(key, this.undominated(x, y, conditions));
    return this.kept.get(key);
  }

  undominated(x, y, conditions) {
    const keep = this.passing(conditions), a = this.numbers(x), b = this.numbers(y);
    const p = moreIsBetter(x) ? -1 : 1, q = moreIsBetter(y) ? -1 : 1, ids = [];
    for (let i = 0; i < this.count; i++) if (keep[i] && !Number.isNaN(a[i]) && !Number.isNaN(b[i])) ids.push(i);
    ids.sort((i, j) => p * (a[i] - a[j]) || q * (b[i] - b[j]) || i - j);
    let lowest = Infinity;
    return ids.filter((i) => q * b[i] < lowest && ((lowest = q * b[i]), true));
  }

  async bands(name, conditions) {
    const keep = this.passing(conditions), v = this.numbers(name), size = run.population;
    const generations = Math.ceil(this.count / size), step = Math.max(1, Math.ceil(generations / 400)), quantiles = [], count = [];
    for (let g = 0; g < generations; g += step) {
      const values = [];
      for (let i = g * size; i < Math.min((g + step) * size, this.count); i++) if (keep[i] && !Number.isNaN(v[i])) values.push(v[i]);
      values.sort((a, b) => a - b);
      count.push(values.length);
      quantiles.push(values.length ? [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1].map((q) => values[Math.round(q * (values.length - 1))]) : null);
    }
    return { measure: name, step, quantiles, count };
  }

  async atlas(conditions) {
    const across = 16, down = 14, keep = this.passing(conditions);
    const size = this.numbers("bytes"), share = this.numbers("long_share"), score = this.numbers("score"), ids = [];
    for (let i = 0; i < this.count; i++) if (keep[i] && size[i] > 0 && !Number.isNaN(share[i]) && !Number.isNaN(score[i])) ids.push(i);
    if (!ids.length) return { total: 0, cells: [], across, down, bytes: [1, 2] };
    let low = Infinity, high = 0;
    for (const i of ids) { low = Math.min(low, size[i]); high = Math.max(high, size[i]); }
    high *= 1.0001;
    const cells = new Map(), width = Math.log(Math.max(high / low, 1.0001));
    for (const i of ids) {
      const cell = Math.min(Math.floor(Math.log(size[i] / low) / width * down), down - 1) * across + Math.min(Math.floor(share[i] * across), across - 1);
      const known = cells.get(cell);
      if (!known) cells.set(cell, [cell, i, 1, score[i]]);
      else { known[2]++; if (score[i] > known[3]) { known[1] = i; known[3] = score[i]; } }
    }
    return { total: ids.length, cells: [...cells.values()].sort((a, b) => a[0] - b[0]), across, down, bytes: [low, high] };
  }

  async lineage(id) {
    const { p0, p1 } = this.columns, found = [id], seen = new Set(found);
    for (let at = 0; at < found.length && found.length < 2000; at++)
      for (const p of [p0[found[at]], p1[found[at]]]) if (p >= 0 && !seen.has(p)) { seen.add(p); found.push(p); }
    const children = new Map(found.map((i) => [i, [0, -1]])), score = this.columns.score;
    for (let i = 0; i < this.count; i++) for (const p of [p0[i], p1[i]]) {
      const entry = children.get(p);
      if (!entry) continue;
      entry[0]++;
      if (entry[1] < 0 || score[i] > score[entry[1]] || Number.isNaN(score[entry[1]])) entry[1] = i;
    }
    return { rows: found.map((i) => this.row(i)), children: found.map((i) => children.get(i)), cut: found.length >= 2000 };
  }

  async children(id) {
    const { p0, p1 } = this.columns, found = [];
    for (let i = 0; i < this.count; i++) if (p0[i] === id || p1[i] === id) found.push(this.row(i));
    return found;
  }

  async rowOf(id) { return this.row(id); }
}
