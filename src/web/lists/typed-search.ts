import { useEffect, useRef, useState } from "react";

/**
 * A search text in the address. Input applies at once and is written to the address when typing pauses;
 * changes of the address, as by a link, apply too.
 */
export function useTypedSearch(
  inAddress: string,
  write: (value: string) => void,
): [text: string, setText: (text: string) => void] {
  const [text, setText] = useState(inAddress);
  const [written, setWritten] = useState(inAddress);
  const [seen, setSeen] = useState(inAddress);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  // After leaving the page, no pending write may navigate back to it.
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
