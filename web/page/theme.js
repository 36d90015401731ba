// Light, dark, or as the system has it; kept in this browser.

const ORDER = ["system", "light", "dark"];
const LABELS = { system: "as the system", light: "light", dark: "dark" };

const stored = () => {
  try {
    return localStorage.getItem("theme") ?? "system";
  } catch {
    return "system"; // storage is blocked: the choice lasts as long as the page
  }
};

/** Follow the choice, and change it with this button. @param {HTMLButtonElement} button */
export function wearTheme(button) {
  let theme = stored();
  const show = () => {
    document.documentElement.dataset.theme = theme;
    button.setAttribute("aria-label", `Colours: ${LABELS[theme]}`);
    button.title = `Colours: ${LABELS[theme]}`;
  };
  button.onclick = () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // as above
    }
    show();
  };
  show();
}
