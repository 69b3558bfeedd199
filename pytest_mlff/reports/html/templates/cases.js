/* The table: all cases are sorted and filtered in memory, one page of rows is in the document. */
mlff.table = (() => {
  const PAGE = 100;
  const DESCENDING_FIRST = new Set(["value", "ratio", "change"]);
  const names = new Intl.Collator("en", { numeric: true });
  const state = {
    sort: "worst", reversed: false, words: [], verdicts: new Set(), spec: "", model: "",
    page: 0, current: 0, whole: false,
  };
  let found = [];
  let rows = [];

  const numbers = (key, sign) => (a, b) => {
    const left = a[key];
    const right = b[key];
    // What has no number stands last, whichever way the rest is ordered.
    if (left === null || right === null) return (left === null) - (right === null);
    return sign * (left - right);
  };

  const order = () => {
    const sign = state.reversed === DESCENDING_FIRST.has(state.sort) ? 1 : -1;
    if (state.sort === "worst") return (a, b) => sign * (a.index - b.index);
    if (state.sort === "case") {
      return (a, b) => sign * names.compare(a.case_id, b.case_id) || a.index - b.index;
    }
    const compare = numbers(state.sort, sign);
    return (a, b) => compare(a, b) || a.index - b.index;
  };

  const matches = (one) =>
    (state.verdicts.size === 0 || state.verdicts.has(one.verdict)) &&
    (state.spec === "" || one.identity === state.spec) &&
    (state.model === "" || String(mlff.modelNumber(one.model)) === state.model) &&
    state.words.every((word) => one.text.includes(word));

  /** Value over threshold on a track from nought to twice the threshold, with its interval. */
  const gauge = (one) => {
    if (one.ratio === null) return mlff.element("span", { class: "none" }, "–");
    const place = (share) => 2 + 48 * Math.min(2, Math.max(0, share));
    const svg = mlff.svg("svg", {
      class: `gauge tone--${one.verdict}`, viewBox: "0 0 100 16", "aria-hidden": "true",
    });
    svg.append(mlff.svg("line", { class: "gauge__track", x1: 2, x2: 98, y1: 8, y2: 8 }));
    svg.append(
      mlff.svg("line", { class: "gauge__fill", x1: 2, x2: place(one.ratio), y1: 8, y2: 8 }),
    );
    if (one.ci_low !== null && one.ci_high !== null) {
      const ends = [one.ci_low, one.ci_high].map((end) =>
        place(one.larger_is_better ? one.threshold / end : end / one.threshold),
      );
      svg.append(mlff.svg("line", { class: "gauge__interval", x1: ends[0], x2: ends[1], y1: 8, y2: 8 }));
    }
    svg.append(mlff.svg("line", { class: "gauge__limit", x1: 50, x2: 50, y1: 1, y2: 15 }));
    if (one.ratio > 2) svg.append(mlff.svg("path", { class: "gauge__beyond", d: "M93 3l5 5-5 5" }));
    else svg.append(mlff.svg("circle", { class: "gauge__dot", cx: place(one.ratio), cy: 8, r: 3.4 }));
    const share =
      one.ratio < 10 ? mlff.percent(one.ratio) : `${mlff.significant(one.ratio, 3)} ×`;
    return mlff.element("span", { class: "gauge-box" }, svg, mlff.element("span", {}, share));
  };

  const change = (one) => {
    if (one.baseline === null) return mlff.element("span", { class: "none" }, "–");
    const tone = one.regressed === true ? "worse" : "";
    const text =
      one.change === null
        ? `from ${mlff.significant(one.baseline)}`
        : (one.change > 0 ? "+" : "") + mlff.percent(one.change);
    return mlff.element(
      "span",
      { class: `change ${tone}`, title: `baseline ${mlff.significant(one.baseline)} ${mlff.unit(one.unit)}` },
      text,
      mlff.element("small", {}, ` ${mlff.against(one)}`),
    );
  };

  const measured = (one) =>
    one.value === null
      ? [mlff.element("span", { class: "none" }, "–")]
      : [
          mlff.element("b", {}, mlff.significant(one.value)),
          ` ${mlff.interval(one)} `,
          mlff.element("small", {}, mlff.unit(one.unit)),
        ];

  const cell = (label, kind, ...children) =>
    mlff.element("td", { "data-label": label, class: kind }, ...children);

  const row = (one, place) => {
    const open = mlff.element(
      "button",
      { type: "button", class: "open", tabindex: place === state.current ? 0 : -1 },
      mlff.element("span", { class: "open__name" }, ...mlff.breakable(one.name)),
      " ",
      mlff.element("span", { class: "open__variant" }, ...mlff.breakable(one.variant)),
    );
    const of = one.model === null ? "data" : mlff.severalModels ? one.model : "";
    const where = of === "" ? one.identity : `${one.identity} · ${of}`;
    const threshold = one.limit;
    return mlff.element(
      "tr",
      {
        "data-place": place,
        class: `${one.verdict === "passed" ? "" : "not-passed"} ${one.value === null ? "no-value" : ""}`,
      },
      cell("Verdict", "c-verdict", mlff.badge(one.verdict)),
      mlff.element(
        "th", { scope: "row", class: "c-case" },
        open, mlff.element("small", {}, ...mlff.breakable(where)),
      ),
      cell("Measured", "c-value number", ...measured(one)),
      cell("Of threshold", "c-gauge", gauge(one)),
      cell(
        "Threshold", "c-threshold", threshold,
        one.threshold_provenance === null
          ? ""
          : mlff.element(
              "small", { title: one.threshold_provenance }, one.threshold_provenance,
            ),
      ),
      cell("Change", "c-change number", change(one)),
      cell("Reason", "c-reason", mlff.element("span", { class: "reason" }, one.reason)),
    );
  };

  const pages = () => Math.max(1, Math.ceil(found.length / PAGE));

  const draw = () => {
    state.page = Math.min(state.page, pages() - 1);
    const first = state.whole ? 0 : state.page * PAGE;
    const shown = state.whole ? found : found.slice(first, first + PAGE);
    state.current = Math.min(state.current, Math.max(0, shown.length - 1));
    rows = shown.map(row);
    mlff.byId("case-rows").replaceChildren(...rows);
    mlff.byId("case-table").hidden = found.length === 0;
    mlff.byId("nothing").hidden = found.length !== 0;
    mlff.byId("pager").hidden = found.length <= PAGE || state.whole;
    mlff.byId("page-text").textContent =
      `${mlff.count(first + 1)}–${mlff.count(first + shown.length)} of ${mlff.count(found.length)}`;
    mlff.byId("page-back").disabled = state.page === 0;
    mlff.byId("page-on").disabled = state.page >= pages() - 1;
    const all = mlff.cases.length;
    mlff.byId("count").textContent =
      found.length === all
        ? `${mlff.count(all)} case${all === 1 ? "" : "s"}`
        : `${mlff.count(found.length)} of ${mlff.count(all)} cases`;
    for (const head of document.querySelectorAll("#case-table thead th")) {
      const button = head.querySelector("button");
      if (!button) continue;
      const active = button.dataset.sort === state.sort;
      const down = DESCENDING_FIRST.has(state.sort) !== state.reversed;
      if (active) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    mlff.byId("sort-select").value = state.sort;
    for (const chip of document.querySelectorAll(".chip")) {
      chip.setAttribute("aria-pressed", String(state.verdicts.has(chip.dataset.verdict)));
    }
  };

  const renew = () => {
    found = mlff.cases.filter(matches).sort(order());
    state.page = 0;
    state.current = 0;
    draw();
  };

  const focus = (place) => {
    rows[state.current]?.querySelector(".open").setAttribute("tabindex", "-1");
    state.current = place;
    const button = rows[place]?.querySelector(".open");
    if (!button) return;
    button.setAttribute("tabindex", "0");
    button.focus();
    rows[place].scrollIntoView({ block: "nearest" });
  };

  const turn = (step, place = 0) => {
    const next = state.page + step;
    if (next < 0 || next >= pages()) return false;
    state.page = next;
    state.current = place === "last" ? PAGE - 1 : place;
    draw();
    return true;
  };

  /** Move by one row, over the edge of a page to the next; from outside, to the current row. */
  const move = (step) => {
    if (!rows.length) return;
    if (!mlff.byId("case-rows").contains(document.activeElement)) {
      focus(state.current);
      return;
    }
    const next = state.current + step;
    if (next >= 0 && next < rows.length) focus(next);
    else if (turn(step, step < 0 ? "last" : 0)) focus(state.current);
  };

  const clear = () => {
    mlff.byId("tools").reset();
    state.words = [];
    state.verdicts.clear();
    state.spec = "";
    state.model = "";
    state.sort = "worst";
    state.reversed = false;
    renew();
  };

  const sortBy = (key) => {
    state.reversed = key === state.sort ? !state.reversed : false;
    state.sort = key;
    renew();
  };

  const typed = () => {
    state.words = mlff.byId("filter-text").value.toLowerCase().split(/\s+/).filter(Boolean);
    renew();
  };

  const keys = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || mlff.byId("details").open) return;
    const field = mlff.byId("filter-text");
    const inside = mlff.byId("case-rows").contains(event.target);
    const go = (action) => {
      event.preventDefault();
      action();
    };
    if (event.target === field) {
      if (event.key === "ArrowDown") go(() => focus(0));
      else if (event.key === "Escape") {
        go(() => {
          if (field.value === "") field.blur();
          field.value = "";
          typed();
        });
      }
    } else if (event.target.closest("input, select, textarea, [role=application]")) {
      return;
    } else if (event.key === "/") {
      go(() => {
        field.focus();
        field.select();
      });
    } else if (event.key === "j" || (inside && event.key === "ArrowDown")) go(() => move(1));
    else if (event.key === "k" || (inside && event.key === "ArrowUp")) go(() => move(-1));
    else if (inside && event.key === "Home") go(() => focus(0));
    else if (inside && event.key === "End") go(() => focus(rows.length - 1));
  };

  const at = (place) => found[(state.whole ? 0 : state.page * PAGE) + place];

  const start = () => {
    mlff.severalModels = mlff.data.models.filter((model) => model !== null).length > 1;
    // Numbers as the options have them: in the order of the report, not of the table.
    mlff.modelNumber = (model) => mlff.data.models.indexOf(model) + 1;
    mlff.byId("tools").addEventListener("submit", (event) => event.preventDefault());
    mlff.byId("filter-text").addEventListener("input", typed);
    mlff.byId("filter-spec").addEventListener("change", (event) => {
      state.spec = event.target.value;
      renew();
    });
    mlff.byId("filter-model")?.addEventListener("change", (event) => {
      state.model = event.target.value;
      renew();
    });
    mlff.byId("sort-select").addEventListener("change", (event) => {
      state.reversed = false;
      state.sort = event.target.value;
      renew();
    });
    for (const chip of document.querySelectorAll(".chip")) {
      chip.addEventListener("click", () => {
        const name = chip.dataset.verdict;
        if (!state.verdicts.delete(name)) state.verdicts.add(name);
        renew();
      });
    }
    for (const link of document.querySelectorAll("[data-show]")) {
      link.addEventListener("click", () => {
        clear();
        state.verdicts.add(link.dataset.show);
        renew();
      });
    }
    for (const button of document.querySelectorAll("[data-sort]")) {
      button.addEventListener("click", () => sortBy(button.dataset.sort));
    }
    mlff.byId("clear").addEventListener("click", clear);
    mlff.byId("clear-again").addEventListener("click", clear);
    mlff.byId("page-back").addEventListener("click", () => turn(-1));
    mlff.byId("page-on").addEventListener("click", () => turn(1));
    mlff.byId("case-rows").addEventListener("click", (event) => {
      const line = event.target.closest("tr");
      if (!line || String(getSelection()) !== "") return;
      focus(Number(line.dataset.place));
      mlff.details.open(at(state.current));
    });
    document.addEventListener("keydown", keys);
    addEventListener("beforeprint", () => {
      // Paper has no second page to turn to, but a limit there must be.
      state.whole = found.length <= 1000;
      draw();
    });
    addEventListener("afterprint", () => {
      state.whole = false;
      draw();
    });
    renew();
  };

  return {
    start,
    /** The neighbour of a case in the present order; null at the ends. */
    beside(one, step) {
      return found[found.indexOf(one) + step] ?? null;
    },
    place: (one) => [found.indexOf(one) + 1, found.length],
    /** Make a case the current row, turning pages if need be, and give it the focus. */
    show(one) {
      const place = found.indexOf(one);
      if (place < 0) return;
      const page = Math.floor(place / PAGE);
      if (page !== state.page) {
        state.page = page;
        draw();
      }
      focus(place - page * PAGE);
    },
  };
})();
