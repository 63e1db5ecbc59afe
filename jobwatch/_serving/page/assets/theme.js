// Light, dark, or as the system is; kept for the next time.

const NAME = "jobwatch theme";
const THEMES = ["system", "light", "dark"];

/** Have a button change the theme, and return what does the same for a key. */
export function themed(button) {
  let now = THEMES.includes(localStorage.getItem(NAME)) ? localStorage.getItem(NAME) : "system";
  const show = () => {
    if (now === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = now;
    button.textContent = `Theme: ${now}`;
  };
  const change = () => {
    now = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
    localStorage.setItem(NAME, now);
    show();
  };
  button.addEventListener("click", change);
  show();
  return change;
}
