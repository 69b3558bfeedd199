/* Simulations to play: frames of one replica, in the same picture as any structure. */
mlff.films = (() => {
  const TICK = 50;

  /** Frames of atoms of x, y, z in Å, from whole numbers in base64. */
  const frames = (film) => {
    const bytes = Uint8Array.from(atob(film.positions), (letter) => letter.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const atoms = film.symbols.length;
    return film.time_ps.map((_, frame) =>
      film.symbols.map((_symbol, atom) =>
        [0, 1, 2].map((k) => view.getInt16(2 * (3 * (frame * atoms + atom) + k), true) * film.step)));
  };

  const player = (film, name) => {
    const all = frames(film);
    const at = (frame) => ({
      symbols: film.symbols, positions: all[frame], cell: film.cell, atom_errors: null,
      view: film.view, note: `${name}: ${film.note}; ${film.time_ps[frame]} ps`,
    });
    const { whole, tools, show } = mlff.molecule.picture(at(0), name);
    let frame = 0;
    let timer = null;
    const clock = mlff.element("output", { class: "film__clock" });
    const slider = mlff.element("input", {
      type: "range", min: 0, max: all.length - 1, value: 0, "aria-label": `Frame of ${name}`,
      oninput: () => { stop(); go(Number(slider.value)); },
    });
    const go = (next) => {
      frame = next;
      slider.value = String(frame);
      clock.textContent = `${film.time_ps[frame].toFixed(3)} ps`;
      show(all[frame]);
    };
    const stop = () => {
      clearInterval(timer);
      timer = null;
      button.textContent = "Play";
    };
    const step = () => {
      // A page that is left, or a dialog that is closed, plays no more.
      if (!whole.isConnected || frame + 1 >= all.length) stop();
      else go(frame + 1);
    };
    const play = () => {
      if (timer) return stop();
      if (frame + 1 >= all.length) go(0);
      button.textContent = "Pause";
      timer = setInterval(step, TICK);
    };
    const button = mlff.element("button", { type: "button", class: "quiet film__play", onclick: play }, "Play");
    const save = mlff.element(
      "button",
      {
        type: "button", class: "quiet",
        onclick: () => mlff.details.download(mlff.molecule.xyz(at(frame)), `${name.replace(/[^A-Za-z0-9._-]+/g, "_")}.xyz`),
      },
      "XYZ of this frame",
    );
    tools.prepend(button, slider, clock);
    tools.append(save);
    go(0);
    return mlff.element(
      "figure", { class: "film" },
      mlff.element("h3", {}, name), whole, mlff.element("figcaption", {}, film.note),
    );
  };

  const start = () => {
    const place = mlff.byId("films");
    if (!place) return;
    for (const { name, film } of mlff.data.films) place.append(player(film, name));
  };

  return { start };
})();
