"use strict";
document.documentElement.classList.remove("no-js");
try {
  const theme = localStorage.getItem("mlff-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* storage is closed to sandboxed pages: the system's choice stands */ }
