/** A separate file, because the content security policy forbids inline styles. */
export const styles = `:root{color-scheme:light dark;--line:light-dark(#d8dce2,#333a45);--soft:light-dark(#f5f6f8,#1a1e25);--dim:light-dark(#586171,#a2acbb);--link:light-dark(#0b57b7,#8ab8ff);--back:light-dark(#fff,#11141a);--text:light-dark(#1a1f28,#e7eaf0);font:16px/1.55 system-ui,sans-serif}
*{box-sizing:border-box}
html{scroll-padding-top:4.5rem}
body{margin:0;background:var(--back);color:var(--text)}
a{color:var(--link)}
a:focus-visible,button:focus-visible,input:focus-visible,summary:focus-visible,pre:focus-visible{outline:2px solid var(--link);outline-offset:2px}
main:focus{outline:none}
.skip{position:absolute;left:-999rem}
.skip:focus{left:1rem;top:.5rem;z-index:3;padding:.5rem 1rem;background:var(--back)}
header{position:sticky;top:0;z-index:2;display:flex;flex-wrap:wrap;gap:.5rem 1.25rem;align-items:center;padding:.6rem 1.25rem;background:var(--back);border-bottom:1px solid var(--line)}
.brand{font-weight:650;color:inherit;text-decoration:none}
header>a{padding:.2rem 0}header form{display:flex;flex:1;min-width:0;gap:.5rem;max-width:32rem}
input{flex:1;min-width:0;font:inherit;padding:.35rem .7rem;border:1px solid var(--line);border-radius:.4rem;background:var(--soft);color:inherit}
button{font:inherit;padding:.35rem .9rem;border:1px solid var(--line);border-radius:.4rem;background:var(--soft);color:inherit;cursor:pointer}
.page{display:grid;grid-template-columns:15rem minmax(0,1fr);max-width:92rem;margin:0 auto}
nav{position:sticky;top:3.6rem;align-self:start;max-height:calc(100vh - 3.6rem);overflow-y:auto;padding:1rem .75rem;border-right:1px solid var(--line)}
nav ul{list-style:none;margin:0;padding:0}
nav a{display:block;padding:.25rem .6rem;border-radius:.35rem;color:inherit;text-decoration:none;font-size:.92rem}
nav a:hover{background:var(--soft)}
nav a[aria-current]{background:var(--soft);font-weight:600;color:var(--link)}
main{padding:1rem 2rem 4rem;min-width:0}
h1{font-size:1.8rem;line-height:1.2;margin:.5rem 0 1rem}
h2{overflow-wrap:anywhere;font-size:1.25rem;line-height:1.3;margin:0 0 .4rem}
main>section:not(.call)>h2{margin-top:2.2rem}
h2 a{color:inherit;text-decoration:none}
h2 a:hover{text-decoration:underline}
h3{font-size:.95rem;margin:1.3rem 0 .4rem}
p{margin:.4rem 0}
code{font:.86em/1.5 ui-monospace,SFMono-Regular,Menlo,monospace;overflow-wrap:anywhere}
pre{margin:.3rem 0;padding:.8rem 1rem;max-height:32rem;overflow:auto;border:1px solid var(--line);border-radius:.5rem;background:var(--soft);line-height:1.5}
pre code{overflow-wrap:normal}
.call{padding:1.8rem 0;border-top:1px solid var(--line)}
.calls+.call{border-top:0}
.line{display:flex;gap:.6rem;align-items:baseline}
.columns{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:0 2.5rem}
.examples{min-width:0}.examples>h3:first-child{margin-top:.6rem}
.method,.status{display:inline-block;font:600 .72rem/1.6 ui-monospace,SFMono-Regular,Menlo,monospace;padding:0 .4rem;border-radius:.3rem;border:1px solid currentcolor}
.method{min-width:5.4em;text-align:center}
.get{color:light-dark(#0b57b7,#8ab8ff)}.post{color:light-dark(#0a6b3d,#6fd6a1)}.put,.patch{color:light-dark(#8a5200,#f0b866)}.delete{color:light-dark(#b3261e,#ff9a92)}
.status{color:light-dark(#0a6b3d,#6fd6a1)}.status.error{color:light-dark(#b3261e,#ff9a92)}
.calls,.index{list-style:none;margin:.6rem 0;padding:0}
.calls li>*{min-width:0}.calls li{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:0 1.5rem;padding:.4rem 0;border-bottom:1px solid var(--line);font-size:.94rem}
.calls a{display:flex;gap:.6rem;align-items:baseline;min-width:0;text-decoration:none}.calls code,.line code{min-width:0}
.calls a:hover code{text-decoration:underline}
.index{columns:13rem;font-size:.92rem}.index a{overflow-wrap:anywhere;display:inline-block;padding:.15rem 0}
.fields{margin:.2rem 0}
.field{padding:.45rem 0;border-bottom:1px solid var(--line)}
.field:last-child{border-bottom:0}
dt{display:flex;flex-wrap:wrap;gap:0 .6rem;align-items:baseline}
dt>code{font-weight:650}
dd{margin:0;font-size:.94rem}
dd>.fields,dd>.variants{margin:.4rem 0 .2rem;padding-left:.9rem;border-left:2px solid var(--line)}
.type,.optional,.variant,dd,summary{overflow-wrap:anywhere}.type,.optional{color:var(--dim);font-size:.84rem}
.optional{font-style:italic;font-weight:400}
.errors .field{display:flex;gap:.8rem}
.variants{list-style:none;margin:.3rem 0;padding:0}
.variant{font-weight:600;margin-top:.7rem}
summary{cursor:pointer;padding:.3rem 0;color:var(--link)}
.answer{margin:.4rem 0 .8rem}
@media(max-width:64rem){.columns{grid-template-columns:minmax(0,1fr)}}
@media(max-width:48rem){html{scroll-padding-top:.5rem}header{position:static;gap:.25rem 1rem;padding:.6rem 1rem;font-size:.94rem}header form{order:1;flex:0 0 100%;max-width:100%}.page{display:block}
nav{position:static;max-height:none;padding:.5rem 1rem;border-right:0;border-bottom:1px solid var(--line);overflow-x:auto}nav ul{display:flex;gap:.25rem}nav a{white-space:nowrap;border:1px solid var(--line)}
main{padding:.5rem 1rem 3rem}h1{font-size:1.5rem}.calls li{grid-template-columns:minmax(0,1fr)}}
`;
