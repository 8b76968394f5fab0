// Figures in a page: which there are, and their state in its address. In a cell of Jupyter incell.js stands for this.

// Those that a script brings to life.
export const figures = (script) => document.querySelectorAll(`.live[data-script="${script}"]`);

export const id = (el) => el.closest("[id]")?.id ?? "";

// The address: ?n=10&sigma=0.2#fig-x is a view of the figure with that id; without one, of all that know the names. ---

export function linked(el) {
  const { hash, searchParams } = new URL(location);
  const meant = decodeURIComponent(hash.slice(1));
  return !meant || meant === id(el) ? Object.fromEntries(searchParams) : {};
}

let later;
export function link(el, state) {
  clearTimeout(later);
  later = setTimeout(() => {
    const address = new URL(location);
    address.search = new URLSearchParams(state);
    address.hash = id(el);
    history.replaceState(history.state, "", address);
  }, 300); // browsers refuse more than about three changes in a second
}
