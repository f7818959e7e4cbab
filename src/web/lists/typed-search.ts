import { useEffect, useRef, useState } from "react";

/**
 * A text of the address that is typed: what is typed counts at once and goes into the address when the
 * typing pauses; what comes from the address, by a link, counts too.
 */
export function useTypedSearch(
  inAddress: string,
  write: (value: string) => void,
): [text: string, setText: (text: string) => void] {
  const [text, setText] = useState(inAddress);
  const [written, setWritten] = useState(inAddress);
  const [seen, setSeen] = useState(inAddress);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  // Whoever has left the page is not called back to it.
  useEffect(() => () => clearTimeout(timer.current), []);
  if (seen !== inAddress) {
    setSeen(inAddress);
    if (inAddress !== written) {
      setWritten(inAddress);
      setText(inAddress);
    }
  }
  const handleType = (typed: string): void => {
    setText(typed);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      setWritten(typed);
      write(typed);
    }, 200);
  };
  return [text, handleType];
}
