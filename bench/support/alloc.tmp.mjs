import { Session } from "node:inspector"
const s=new Session(); s.connect()
const post=(m,p)=>new Promise((r,j)=>s.post(m,p,(e,x)=>e?j(e):r(x)))
const collected=process.env.ALL==="1"
await post("HeapProfiler.startSampling",{samplingInterval:32768,includeObjectsCollectedByMajorGC:true,includeObjectsCollectedByMinorGC:collected})
await import("./foldPast.mjs")
const {profile}=await post("HeapProfiler.stopSampling")
const N=+process.env.N
const self=new Map();let total=0
const name=n=>n.callFrame.functionName+" "+n.callFrame.url.split("/").at(-1)+":"+(n.callFrame.lineNumber+1)
const walk=(n,pn)=>{const size=n.selfSize;total+=size;const k=name(n)+(process.env.CALLER?"  < "+pn:"");self.set(k,(self.get(k)??0)+size);n.children.forEach(c=>walk(c,name(n)))}
walk(profile.head,"")
console.log("total B/ev",total/N)
for(const [k,v] of [...self].sort((a,b)=>b[1]-a[1]).slice(0,+(process.env.TOP??40)))console.log((v/total*100).toFixed(1)+"%",(v/N).toFixed(0)+" B/ev",k)
