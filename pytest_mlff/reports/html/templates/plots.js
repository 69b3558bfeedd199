/* Lines for the pointer: those of the drawings' own titles, at once and beside the finger. */
mlff.plots = (() => {
  let box = null;

  const line = (part) => {
    const title = part.querySelector("title");
    if (title) {
      part.dataset.tip = title.textContent;
      title.remove(); // or the browser would show it a second time
    }
    return part.dataset.tip;
  };

  const show = (event) => {
    const part = event.target.closest?.(".plot .tip");
    if (!part) return hide();
    box.textContent = line(part);
    box.hidden = false;
    const { width, height } = box.getBoundingClientRect();
    const left = Math.min(Math.max(event.clientX - width / 2, 4), innerWidth - width - 4);
    const above = event.clientY - height - 14;
    box.style.left = `${left}px`;
    box.style.top = `${above < 4 ? event.clientY + 18 : above}px`;
  };

  const hide = () => { box.hidden = true; };

  const start = () => {
    box = mlff.element("div", { class: "tip-box", role: "status", hidden: true });
    document.body.append(box);
    for (const kind of ["pointerover", "pointerdown"]) document.addEventListener(kind, show);
    addEventListener("scroll", hide, { passive: true, capture: true });
    document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  };

  return { start };
})();
