// The little that is needed to change a page in place. What the server says is put in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** Returns the element of the page with this id. */
export const byId = (id) => document.getElementById(id);

/** Makes an element: its name and classes as `td.number`, its attributes, what is in it. */
export function el(spec, attributes = {}, ...children) {
  const [name, ...classes] = spec.split(".");
  const made = document.createElement(name);
  if (classes.length) made.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) set(made, key, value);
  made.append(...children);
  return made;
}

/** Makes an SVG element. */
export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Makes one of the shapes that index.html declares. */
export function mark(name) {
  const use = svg("use", { href: `#mark-${name}` });
  const made = svg("svg", { class: "mark", "aria-hidden": "true" }, use);
  made.show = (other) => set(use, "href", `#mark-${other}`);
  return made;
}

/** Sets an attribute if it is another; null and false remove it. */
export function set(element, name, value) {
  if (value === null || value === undefined || value === false) return element.removeAttribute(name);
  const text = value === true ? "" : String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/** Sets the text if it is another: what does not change is not drawn again, nor read aloud again. */
export function say(element, text) {
  const words = String(text ?? "");
  if (element.textContent !== words) element.textContent = words;
}

/** Says whether an element is shown. */
export function show(element, is) {
  if (element.hidden === Boolean(is)) element.hidden = !is;
}

/**
 * Makes the children of `parent` be those of `items`, in their order. Who is there already stays, so that focus,
 * selection and running transitions do; `make` makes an element with a method `update(item)`.
 */
export function keyed(parent, items, key, make) {
  const known = (parent.known ??= new Map());
  const wanted = new Set();
  let place = parent.firstChild;
  for (const item of items) {
    const name = key(item);
    wanted.add(name);
    let child = known.get(name);
    if (!child) known.set(name, (child = make(item)));
    child.update(item);
    if (child === place) place = place.nextSibling;
    else parent.insertBefore(child, place);
  }
  for (const [name, child] of known) {
    if (wanted.has(name)) continue;
    known.delete(name);
    child.remove();
  }
}
