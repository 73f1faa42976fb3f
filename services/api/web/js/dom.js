// Making elements. Owns the one way in which text enters the page: as text nodes, never as HTML, whoever wrote it.
// Must not know any view, the API or the state of anything.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An HTML element. `props`: `class`, `dataset`, `css` (custom properties and styles), `on` (listeners), and attributes;
 * `true` sets an empty attribute, `false`, `null` and `undefined` leave it out. Children: nodes, texts, arrays, nothing.
 */
export function h(tag, props = {}, ...children) {
  return build(document.createElement(tag), props, children);
}

/** The same for SVG elements. */
export function s(tag, props = {}, ...children) {
  return build(document.createElementNS(SVG, tag), props, children);
}

function build(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    } else if (name === "dataset") {
      Object.assign(element.dataset, value);
    } else if (name === "css") {
      // Through the CSSOM: the content security policy forbids style attributes.
      for (const [property, given] of Object.entries(value)) element.style.setProperty(property, given);
    } else if (name === "value" || name === "checked" || name === "selected" || name === "indeterminate") {
      element[name] = value;
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  append(element, children);
  return element;
}

/** Append nodes and texts; `null`, `false` and `undefined` are nothing. */
export function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Replace all children. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/** Set a text only when it differs, so that screen readers and selections are left alone. */
export function setText(element, text) {
  const wanted = String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

/** Set or remove an attribute only when it differs. */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

let ids = 0;

/** An id that no other element has, for labels and descriptions. */
export function freshId(prefix) {
  ids += 1;
  return `${prefix}-${ids}`;
}
