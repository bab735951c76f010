// The filter's text: conditions with spaces between, all of which have to hold.
//   bytes<600  accuracy>=90%  gene:lattice  -gene:valid  op:taps  state:scored  kind:breed  generation=3  loss=0.1..0.3

const OPS = /^([a-z_0-9]+)(<=|>=|!=|<|>|=)(-?[\d.]+(?:e[-+]?\d+)?)(%?)(?:\.\.(-?[\d.]+(?:e[-+]?\d+)?)(%?))?$/i;
const SHORT = { op: "operator", gen: "generation", long: "long_share", acc: "accuracy" };

function parseFilter(text) {
  const found = [], wrong = [];
  for (const part of text.trim().split(/\s+/).filter(Boolean)) {
    const one = parsePart(part);
    if (one) found.push(...one); else wrong.push(part);
  }
  return [found, wrong];
}

function parsePart(part) {
  const pair = /^(-?)([a-z]+):([\w+-]+)$/i.exec(part);
  if (pair) {
    const name = SHORT[pair[2]] || pair[2];
    if (name === "gene") return run.features.includes(pair[3]) ? [["gene", pair[1] ? "lacks" : "has", pair[3]]] : null;
    return ["state", "kind", "operator"].includes(name) ? [[name, pair[1] ? "!=" : "=", pair[3]]] : null;
  }
  const match = OPS.exec(part);
  if (!match) return null;
  const name = SHORT[match[1]] || match[1];
  if (!MEASURES[name] && name !== "rung") return null;
  const low = Number(match[3]) / (match[4] ? 100 : 1);
  if (Number.isNaN(low)) return null;
  if (match[5] === undefined) return [[name, match[2], low]];
  return match[2] === "=" ? [[name, ">=", low], [name, "<=", Number(match[5]) / (match[6] ? 100 : 1)]] : null;
}

// What the text says beside conditions on these columns: a new brush takes the place of the old one.
const without = (text, names) => text.trim().split(/\s+/).filter((part) => !names.some((n) => new RegExp(`^${n}[<>=]`).test(part))).join(" ");
