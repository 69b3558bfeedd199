/* All that is known of one case, beside the table or over it. */
mlff.details = (() => {
  const dialog = () => mlff.byId("details");
  let shown = null;

  const fileName = (one, what) =>
    `${one.case_id}-${what}`.replace(/[^A-Za-z0-9._-]+/g, "_").slice(0, 120) + ".xyz";

  const copy = async (text, button) => {
    const label = button.textContent;
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch {
      // Pages without the right to the clipboard still may copy what is selected.
      const field = mlff.element("textarea", { class: "unseen", "aria-hidden": "true" });
      field.value = text;
      dialog().append(field);
      field.select();
      done = document.execCommand("copy");
      field.remove();
      button.focus();
    }
    button.textContent = done ? "Copied" : "Could not copy";
    setTimeout(() => { button.textContent = label; }, 1500);
  };

  const download = (text, name) => {
    const address = URL.createObjectURL(new Blob([text], { type: "chemical/x-xyz" }));
    const link = mlff.element("a", { href: address, download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  };

  const structure = (one, number, title, what) => {
    if (number === null) return null;
    const found = mlff.data.structures[number];
    const text = mlff.molecule.xyz(found);
    const copying = mlff.element(
      "button", { type: "button", class: "quiet", onclick: () => copy(text, copying) }, "Copy XYZ",
    );
    return mlff.element(
      "section", { class: "structure", "data-structure": what },
      mlff.element("h3", {}, title),
      ...mlff.molecule.view(found, title),
      mlff.element(
        "div", { class: "buttons" }, copying,
        mlff.element(
          "button",
          { type: "button", class: "quiet", onclick: () => download(text, fileName(one, what)) },
          "Download XYZ",
        ),
      ),
      mlff.element(
        "details", { class: "xyz" },
        mlff.element("summary", {}, "XYZ"),
        mlff.element("pre", { tabindex: 0, "aria-label": `${title} as XYZ` }, text),
      ),
    );
  };

  const pair = (name, ...value) => [mlff.element("dt", {}, name), mlff.element("dd", {}, ...value)];

  const withUnit = (one, number) =>
    number === null ? "–" : `${mlff.significant(number)} ${mlff.unit(one.unit)}`.trim();

  const interval = (one) => {
    if (one.ci_low === null || one.ci_high === null) {
      return String(one.evidence.undecided ?? "–");
    }
    return `${mlff.significant(one.ci_low)} … ${withUnit(one, one.ci_high)}`;
  };

  const behind = (one) => {
    if (one.n_frames === null) return "–";
    const many = (number, what) => `${mlff.count(number)} ${what}${number === 1 ? "" : "s"}`;
    // Laws make structures of their own and count these alone.
    const atoms = one.n_atoms ? `, ${many(one.n_atoms, "atom")}` : "";
    return many(one.n_frames, "examples" in one.evidence ? "example" : "frame") + atoms;
  };

  const against = (one) => {
    if (one.baseline === null) return "none";
    const share = one.change === null ? "" : ` (${one.change > 0 ? "+" : ""}${mlff.percent(one.change)})`;
    const said = mlff.against(one);
    return `${withUnit(one, one.baseline)}${share}, ${said}`;
  };

  const facts = (one) =>
    mlff.element(
      "dl", { class: "pairs" },
      ...pair("measured", mlff.element("b", {}, withUnit(one, one.value))),
      ...pair("95 % interval", interval(one)),
      ...pair(
        "threshold", one.threshold === null ? "–" : `${one.limit} ${one.unit === "1" ? "" : one.unit}`,
        one.threshold_provenance === null
          ? ""
          : mlff.element("small", {}, ` ${one.threshold_provenance}`),
      ),
      ...pair("baseline", against(one)),
      ...pair("behind it", behind(one)),
      ...pair("model", one.model ?? "none: this case judges the data"),
      ...pair("dataset", one.dataset),
      ...pair("seconds", one.seconds === null ? "–" : mlff.significant(one.seconds, 3)),
      ...pair("pytest item", mlff.element("code", {}, ...mlff.breakable(one.nodeid))),
    );

  const evidence = (one) => {
    const known = Object.entries(one.evidence);
    if (known.length === 0) return null;
    const said = (value) => (typeof value === "number" ? mlff.significant(value, 6) : value);
    return mlff.element(
      "section", {},
      mlff.element("h3", {}, "Evidence"),
      mlff.element(
        "table", { class: "plain evidence" },
        mlff.element(
          "tbody", {},
          ...known.map(([name, value]) =>
            mlff.element(
              "tr", {},
              mlff.element("th", { scope: "row" }, name.replaceAll("_", " ")),
              mlff.element("td", { title: String(value) }, said(value)),
            )),
        ),
      ),
    );
  };

  const button = (text, label, action, off = false) =>
    mlff.element("button", { type: "button", "aria-label": label, onclick: action, disabled: off }, text);

  const fill = (one) => {
    const [place, all] = mlff.table.place(one);
    const step = (by) => {
      const next = mlff.table.beside(one, by);
      if (next) open(next);
    };
    dialog().replaceChildren(
      mlff.element(
        "header", {},
        mlff.badge(one.verdict),
        mlff.element("span", { class: "place" }, place ? `${mlff.count(place)} of ${mlff.count(all)}` : ""),
        button("‹", "Case before (k)", () => step(-1), place <= 1),
        button("›", "Next case (j)", () => step(1), place === 0 || place === all),
        button("✕", "Close (Esc)", () => dialog().close()),
      ),
      mlff.element(
        "div", { class: "sheet" },
        mlff.element(
          "h2", { id: "details-title", tabindex: -1 },
          ...mlff.breakable(one.name), " ",
          mlff.element("span", {}, ...mlff.breakable(one.variant)),
        ),
        mlff.element("p", { class: "where" }, ...mlff.breakable(one.identity)),
        mlff.element("p", { class: `why tone--${one.verdict}` }, one.reason),
        one.detail === "" ? "" : mlff.element("pre", { class: "detail" }, one.detail),
        facts(one),
        structure(one, one.counterexample, "Counterexample", "counterexample"),
        structure(one, one.worst_frame, one.evidence.died ? "Moment of death" : "Worst frame", "worst-frame"),
        evidence(one),
      ),
    );
  };

  const address = (hash) => {
    try {
      history.replaceState(null, "", hash || location.pathname + location.search);
    } catch { /* sandboxed pages may not change their address */ }
  };

  const open = (one) => {
    shown = one;
    fill(one);
    if (!dialog().open) dialog().showModal();
    dialog().querySelector(".sheet").scrollTop = 0;
    mlff.byId("details-title").focus();
    address(`#case=${encodeURIComponent(one.key)}`);
  };

  const linked = () => {
    if (!location.hash.startsWith("#case=")) return;
    let key = "";
    try {
      key = decodeURIComponent(location.hash.slice(6));
    } catch { return; }
    const one = mlff.cases.find((each) => each.key === key);
    if (one) open(one);
  };

  const start = () => {
    dialog().addEventListener("close", () => {
      address("");
      mlff.table.show(shown);
    });
    dialog().addEventListener("click", (event) => {
      if (event.target === dialog()) dialog().close();
    });
    dialog().addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const by = { j: 1, k: -1 }[event.key];
      const next = by && mlff.table.beside(shown, by);
      if (next) {
        event.preventDefault();
        open(next);
      }
    });
    addEventListener("hashchange", linked);
    linked();
  };

  return { start, open, download };
})();
