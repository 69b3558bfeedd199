"use strict";
const mlff = {};

/** Make an element; children that are no nodes become text, never markup. */
mlff.element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  mlff.fill(made, attributes, children);
  return made;
};

mlff.svg = (tag, attributes = {}, ...children) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  mlff.fill(made, attributes, children);
  return made;
};

mlff.fill = (made, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
};

/** A name as children that a narrow page breaks behind `_ / . : -` and not within a word. */
mlff.breakable = (name) =>
  (name.match(/[^_/.:-]*[_/.:-]+|[^_/.:-]+/g) ?? []).flatMap((part, place) =>
    place === 0 ? [part] : [mlff.element("wbr"), part],
  );

mlff.byId = (id) => document.getElementById(id);

/** A number with so many significant digits, without an exponent where that reads well. */
mlff.significant = (number, digits = 4) => {
  if (number === 0) return "0";
  const size = Math.abs(number);
  if (size >= 1e6 || size < 1e-4) return number.toExponential(digits - 1).replace("-", "−");
  return String(Number(number.toPrecision(digits))).replace("-", "−");
};

mlff.count = (number) => number.toLocaleString("en");

/** Dimensionless values stand alone. */
mlff.unit = (unit) => (unit === "1" ? "" : unit);

mlff.percent = (share) => {
  const hundred = 100 * share;
  const digits = Math.abs(hundred) < 10 ? 1 : 0;
  const text = hundred.toFixed(digits);
  return `${Number(text) === 0 ? "0.0" : text.replace("-", "−")} %`;
};

/** Cases as objects, worst first, from the page's data block. */
mlff.load = () => {
  const data = JSON.parse(mlff.byId("mlff-data").textContent);
  mlff.data = data;
  mlff.cases = data.rows.map((row, index) => {
    const one = Object.fromEntries(data.fields.map((name, place) => [name, row[place]]));
    one.index = index;
    one.threshold_provenance =
      one.threshold_provenance === null ? null : data.provenances[one.threshold_provenance];
    one.name = one.case_id.slice(`${one.suite}/${one.spec}/${one.variant}/`.length);
    one.identity = `${one.suite}/${one.spec}`;
    one.ratio =
      one.value === null || one.threshold === null || one.threshold === 0
        ? null
        : one.load;
    one.change =
      one.value === null || one.baseline === null || one.baseline === 0
        ? null
        : one.value / one.baseline - 1;
    one.key = `${one.model ?? ""}|${one.case_id}`;
    one.text = [one.case_id, one.model ?? "data", one.dataset, one.verdict, one.reason, one.unit]
      .join(" ")
      .toLowerCase();
    return one;
  });
};

mlff.badge = (verdict) => mlff.element("span", { class: `badge badge--${verdict}` }, verdict);

/** What a case is against its baseline, in one of four words. */
mlff.against = (one) =>
  one.evidence.against_baseline ??
  { true: "worse", false: "not worse", null: "undecided" }[String(one.regressed)];

/** Half the width of the interval as the terminal writes it. */
mlff.interval = (one) => {
  if (one.value === null) return "";
  if (one.ci_low === null || one.ci_high === null) {
    return "undecided" in one.evidence ? "± ?" : "";
  }
  return `± ${mlff.significant((one.ci_high - one.ci_low) / 2, 2)}`;
};
