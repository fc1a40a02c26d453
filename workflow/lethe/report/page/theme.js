// Light or dark as the system is, until the reader says otherwise; remembered where the browser allows it.
function showTheme() {
  const dark = isDark();
  $("theme").textContent = dark ? "Light" : "Dark";
  $("theme").setAttribute("aria-label", `Switch to ${dark ? "light" : "dark"} colours`);
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function remembered() {
  try {
    return localStorage.getItem("lethe-theme");
  } catch {
    return null; // a file opened from a disk may have no storage
  }
}

$("theme").addEventListener("click", () => {
  const next = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem("lethe-theme", next);
  } catch {
    // then it lasts as long as the page
  }
  showTheme();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
if (["light", "dark"].includes(remembered())) document.documentElement.dataset.theme = remembered();
showTheme();
