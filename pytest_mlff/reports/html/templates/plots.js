/* Figures are drawn when they come into view: twenty of them at once would hold up the page. */
mlff.plots = (() => {
  const CONFIG = {
    displaylogo: false, responsive: true, showSendToCloud: false, plotlyServerURL: "",
    showTips: false, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  };
  let figures = [];

  const theme = (node) => {
    const changes = figures[Number(node.dataset.plot)].themes[mlff.theme.dark() ? "dark" : "light"];
    if (changes.indices.length) Plotly.update(node, changes.traces, changes.layout, changes.indices);
    else Plotly.relayout(node, changes.layout);
  };

  const draw = (node) => {
    if ("drawn" in node.dataset) return;
    node.dataset.drawn = "";
    const figure = figures[Number(node.dataset.plot)];
    Plotly.newPlot(node, figure.data, figure.layout, CONFIG);
    if (mlff.theme.dark()) theme(node);
  };

  const start = () => {
    figures = JSON.parse(mlff.byId("mlff-plots").textContent);
    const nodes = [...document.querySelectorAll("[data-plot]")];
    const watcher = new IntersectionObserver(
      (entries) => {
        for (const entry of entries) {
          if (!entry.isIntersecting) continue;
          watcher.unobserve(entry.target);
          draw(entry.target);
        }
      },
      { rootMargin: "300px" },
    );
    nodes.forEach((node) => watcher.observe(node));
    document.addEventListener("mlff-theme", () => {
      nodes.filter((node) => "drawn" in node.dataset).forEach(theme);
    });
    addEventListener("beforeprint", () => nodes.forEach(draw));
  };

  return { start };
})();
