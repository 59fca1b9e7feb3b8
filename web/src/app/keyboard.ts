/** Which keys belong to what a person is typing, and which to the page. */

/** Whether a key press goes into a field, so that it is no shortcut. */
export function isTyping(event: KeyboardEvent): boolean {
  const at = event.target;
  if (!(at instanceof HTMLElement)) return false;
  if (at instanceof HTMLInputElement) return !["checkbox", "radio", "button", "range"].includes(at.type);
  return at.isContentEditable || at instanceof HTMLTextAreaElement || at instanceof HTMLSelectElement;
}

export const withControl = (event: KeyboardEvent): boolean => event.ctrlKey || event.metaKey;

/** A key alone, or with shift where the character needs it. */
export const isPlain = (event: KeyboardEvent): boolean => !event.ctrlKey && !event.metaKey && !event.altKey;
