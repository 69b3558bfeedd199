/* A structure to look at: turned by pointer or arrow keys, ringed by the force errors. */
mlff.molecule = (() => {
  const LARGEST = 1500;
  const SIZE = 100;
  let made = 0;

  const multiply = (a, b) =>
    a.map((line) => [0, 1, 2].map((j) => line[0] * b[0][j] + line[1] * b[1][j] + line[2] * b[2][j]));
  const apply = (m, v) => m.map((line) => line[0] * v[0] + line[1] * v[1] + line[2] * v[2]);
  const around = (axis, angle) => {
    const c = Math.cos(angle);
    const s = Math.sin(angle);
    return axis === "x" ? [[1, 0, 0], [0, c, -s], [0, s, c]] : [[c, 0, s], [0, 1, 0], [-s, 0, c]];
  };

  // What is no element is drawn as well; only own keys count, whatever a symbol is called.
  const UNKNOWN = { radius: 0.8, colour: [200, 120, 200] };
  const look = (symbol) =>
    Object.hasOwn(mlff.data.elements, symbol) ? mlff.data.elements[symbol] : UNKNOWN;

  const shade = (colour, factor) =>
    `rgb(${colour.map((part) =>
      Math.round(factor > 1 ? 255 - (255 - part) * (2 - factor) : part * factor)).join(" ")})`;

  /** From pale to dark: the share of the largest error. */
  const heat = (share) => {
    const stops = [[244, 196, 106], [224, 104, 52], [150, 24, 62]];
    const place = Math.min(1, Math.max(0, share)) * 2;
    const low = Math.min(1, Math.floor(place));
    const parts = stops[low].map((part, k) => Math.round(part + (stops[low + 1][k] - part) * (place - low)));
    return `rgb(${parts.join(" ")})`;
  };

  const bonds = (structure) => {
    const { symbols, positions } = structure;
    const found = [];
    for (let i = 0; i < symbols.length; i += 1) {
      for (let j = 0; j < i; j += 1) {
        const reach = 1.2 * (look(symbols[i]).radius + look(symbols[j]).radius);
        const gap = Math.hypot(...positions[i].map((x, k) => x - positions[j][k]));
        if (gap < reach) found.push([j, i]);
      }
    }
    return found;
  };

  const corners = (cell) => {
    const points = [];
    for (let k = 0; k < 8; k += 1) {
      points.push([0, 1, 2].map((d) =>
        cell.reduce((sum, edge, n) => sum + ((k >> n) & 1) * edge[d], 0)));
    }
    return points;
  };

  const EDGES = [[0, 1], [0, 2], [0, 4], [1, 3], [1, 5], [2, 3], [2, 6], [3, 7], [4, 5], [4, 6], [5, 7], [6, 7]];

  const picture = (structure, name) => {
    made += 1;
    const { symbols, atom_errors: errors } = structure;
    let { positions } = structure;
    const box = structure.cell ? corners(structure.cell) : [];
    const every = [...positions, ...box];
    const middle = [0, 1, 2].map((k) => {
      const along = every.map((point) => point[k]);
      return (Math.min(...along) + Math.max(...along)) / 2;
    });
    const centred = (point) => point.map((x, k) => x - middle[k]);
    const reach = Math.max(...every.map((point) => Math.hypot(...centred(point))), 0.5) + 0.9;
    const largest = errors ? Math.max(...errors) : 0;

    const svg = mlff.svg("svg", {
      class: "molecule", viewBox: `${-1.3 * SIZE} ${-SIZE} ${2.6 * SIZE} ${2 * SIZE}`, tabindex: 0,
      role: "application", "aria-roledescription": "molecule that can be turned",
      "aria-label": `${name}: ${symbols.length} atoms. Arrow keys turn it, plus and minus zoom, 0 resets.`,
    });
    const gradients = mlff.svg("defs");
    const id = (symbol) => `el-${made}-${[...new Set(symbols)].indexOf(symbol)}`;
    for (const symbol of new Set(symbols)) {
      const { colour } = look(symbol);
      gradients.append(
        mlff.svg(
          "radialGradient", { id: id(symbol), cx: "36%", cy: "32%", r: "72%" },
          mlff.svg("stop", { offset: 0, "stop-color": shade(colour, 1.6) }),
          mlff.svg("stop", { offset: 0.45, "stop-color": shade(colour, 1) }),
          mlff.svg("stop", { offset: 1, "stop-color": shade(colour, 0.62) }),
        ),
      );
    }
    const scene = mlff.svg("g");
    svg.append(gradients, scene);

    const atoms = symbols.map((symbol, index) => {
      const error = errors ? `, force error ${mlff.significant(errors[index], 3)} meV/Å` : "";
      const ring = errors ? mlff.svg("circle", { class: "ring" }) : null;
      const ball = mlff.svg("circle", { class: "atom", fill: `url(#${id(symbol)})` });
      return {
        index, ring, ball, radius: 0.32 + 0.24 * look(symbol).radius,
        node: mlff.svg("g", {}, ring, ball, mlff.svg("title", {}, `${symbol}${index + 1}${error}`)),
      };
    });
    const sticks = bonds(structure).map(([i, j]) => ({
      i, j,
      halves: [i, j].map((k) => mlff.svg("line", { stroke: shade(look(symbols[k]).colour, 0.82) })),
    }));
    const span = ({ i, j }) => Math.hypot(...positions[i].map((x, k) => x - positions[j][k])) || 1;
    /** From surface to surface: a stick from the centre would lie on top of its own atom. */
    const ends = (stick) => {
      const [a, b] = [positions[stick.i], positions[stick.j]];
      const length = span(stick);
      const along = (share) => a.map((x, k) => x + share * (b[k] - x));
      const from = Math.min(0.45, (0.85 * atoms[stick.i].radius) / length);
      const to = 1 - Math.min(0.45, (0.85 * atoms[stick.j].radius) / length);
      return [along(from), along((from + to) / 2), along(to)];
    };
    for (const stick of sticks) {
      stick.length = span(stick);
      stick.node = mlff.svg("g", { class: "bond" }, mlff.svg("line", { class: "bond__edge" }), ...stick.halves);
    }
    const frame = box.length ? EDGES.map(() => mlff.svg("line", { class: "cell" })) : [];
    scene.append(...frame);

    const home = structure.view;
    let turned = home;
    let zoom = 1;
    let rings = Boolean(errors);

    const set = (node, values) => {
      for (const [key, value] of Object.entries(values)) {
        node.setAttribute(key, typeof value === "number" ? value.toFixed(2) : value);
      }
    };

    // As large as the first view allows, but so that turning it hides little behind the edge.
    const half = (axis, room) =>
      room / Math.max(0.5, ...every.map((point) => Math.abs(apply(home, centred(point))[axis]) + 0.9));
    const fit = Math.min(half(0, 1.26 * SIZE), half(1, 0.96 * SIZE), (1.3 * SIZE) / reach);

    const draw = () => {
      const scale = fit * zoom;
      const seen = (point) => {
        const [x, y, z] = apply(turned, centred(point));
        const near = 1 / (1 - (0.16 * z) / reach);
        return { x: x * scale * near, y: -y * scale * near, z, size: scale * near };
      };
      const points = positions.map(seen);
      const items = [];
      for (const { index, radius, ball, ring, node } of atoms) {
        const { x, y, z, size } = points[index];
        set(ball, { cx: x, cy: y, r: radius * size });
        if (ring) {
          const share = largest > 0 ? errors[index] / largest : 0;
          const width = rings ? (0.06 + 0.26 * share) * size : 0;
          set(ring, {
            cx: x, cy: y, r: radius * size + width / 2, "stroke-width": width, stroke: heat(share),
          });
        }
        items.push([z, node]);
      }
      for (const stick of sticks) {
        const { halves, node } = stick;
        // Of a film: what is half as long again is no bond any more.
        node.style.display = span(stick) > 1.5 * stick.length ? "none" : "";
        const [a, half, b] = ends(stick).map(seen);
        const width = 0.11 * (a.size + b.size);
        set(node.firstChild, { x1: a.x, y1: a.y, x2: b.x, y2: b.y, "stroke-width": width + 1.2 });
        set(halves[0], { x1: a.x, y1: a.y, x2: half.x, y2: half.y, "stroke-width": width });
        set(halves[1], { x1: b.x, y1: b.y, x2: half.x, y2: half.y, "stroke-width": width });
        items.push([half.z, node]);
      }
      const vertices = box.map(seen);
      frame.forEach((line, k) => {
        const [from, to] = EDGES[k].map((corner) => vertices[corner]);
        set(line, { x1: from.x, y1: from.y, x2: to.x, y2: to.y });
      });
      // Far things first: what is appended last is painted on top.
      scene.append(...items.sort((a, b) => a[0] - b[0]).map(([, node]) => node));
    };

    const turn = (right, down) => {
      turned = multiply(around("x", down), multiply(around("y", right), turned));
      draw();
    };
    const reset = () => {
      turned = home;
      zoom = 1;
      draw();
    };
    const STEP = Math.PI / 18;
    const actions = {
      ArrowLeft: () => turn(-STEP, 0), ArrowRight: () => turn(STEP, 0),
      ArrowUp: () => turn(0, -STEP), ArrowDown: () => turn(0, STEP),
      "+": () => { zoom = Math.min(6, zoom * 1.2); draw(); },
      "=": () => { zoom = Math.min(6, zoom * 1.2); draw(); },
      "-": () => { zoom = Math.max(0.5, zoom / 1.2); draw(); },
      0: reset,
    };
    svg.addEventListener("keydown", (event) => {
      const action = actions[event.key];
      if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      action();
    });
    let last = null;
    svg.addEventListener("pointerdown", (event) => {
      last = [event.clientX, event.clientY];
      svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointermove", (event) => {
      if (!last) return;
      turn((event.clientX - last[0]) / 90, (event.clientY - last[1]) / 90);
      last = [event.clientX, event.clientY];
    });
    for (const end of ["pointerup", "pointercancel"]) {
      svg.addEventListener(end, () => { last = null; });
    }
    draw();

    const tools = mlff.element("div", { class: "molecule-tools" });
    if (errors) {
      const button = mlff.element(
        "button",
        {
          type: "button", class: "quiet", "aria-pressed": "true",
          onclick: () => {
            rings = !rings;
            button.setAttribute("aria-pressed", String(rings));
            draw();
          },
        },
        "Force errors",
      );
      tools.append(
        button,
        mlff.element(
          "span", { class: "scale" }, "0",
          mlff.element("i", { class: "scale__bar" }),
          `${mlff.significant(largest, 3)} meV/Å`,
        ),
      );
    }
    tools.append(mlff.element("button", { type: "button", class: "quiet", onclick: reset }, "Reset"));
    const whole = mlff.element("div", { class: "molecule-box" }, svg, tools);
    return { whole, tools, show: (moved) => { positions = moved; draw(); } };
  };

  /** Extended XYZ, as ASE and OVITO read it. */
  const xyz = (structure) => {
    const clean = (text) => text.replace(/[\s"\\]+/g, " ").trim();
    const { symbols, positions, cell, atom_errors: errors } = structure;
    const properties = `species:S:1:pos:R:3${errors ? ":force_error:R:1" : ""}`;
    const head = [
      cell ? `Lattice="${cell.flat().join(" ")}"` : "",
      `Properties=${properties}`,
      `pbc="${cell ? "T T T" : "F F F"}"`,
      `note="${clean(structure.note)}"`,
    ];
    const lines = symbols.map((symbol, index) =>
      [symbol.replace(/\s+/g, "_"), ...positions[index], ...(errors ? [errors[index]] : [])].join(" "));
    return `${[symbols.length, head.filter(Boolean).join(" "), ...lines].join("\n")}\n`;
  };

  /** The atoms with the largest errors in words. */
  const worst = (structure) => {
    const { symbols, atom_errors: errors } = structure;
    if (!errors) return null;
    const ranked = errors.map((error, index) => [error, index]).sort((a, b) => b[0] - a[0]).slice(0, 5);
    return mlff.element(
      "p", { class: "worst-atoms" }, "Largest force errors: ",
      ranked.map(([error, index]) => `${symbols[index]}${index + 1} ${mlff.significant(error, 3)}`).join(", "),
      " meV/Å.",
    );
  };

  return {
    xyz,
    picture,
    /** Picture, words and XYZ of a structure. */
    view(structure, name) {
      const drawable = structure.view !== null && structure.symbols.length <= LARGEST;
      return [
        mlff.element("p", { class: "note" }, structure.note),
        drawable
          ? picture(structure, name).whole
          : mlff.element(
              "p", { class: "empty" },
              structure.view === null
                ? "No picture: the positions are incomplete."
                : `No picture: ${mlff.count(structure.symbols.length)} atoms are too many.`,
            ),
        drawable ? worst(structure) : null,
      ];
    },
  };
})();
