/* Light and dark: the system's choice until the button is pressed. */
mlff.theme = {
  dark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  },
  show() {
    const button = mlff.byId("theme");
    button.setAttribute("aria-pressed", String(mlff.theme.dark()));
    document.dispatchEvent(new Event("mlff-theme"));
  },
  start() {
    mlff.byId("theme").addEventListener("click", () => {
      const next = mlff.theme.dark() ? "light" : "dark";
      document.documentElement.dataset.theme = next;
      try {
        localStorage.setItem("mlff-theme", next);
      } catch { /* not kept, but shown */ }
      mlff.theme.show();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", mlff.theme.show);
    mlff.theme.show();
  },
};
