"""Words that occur in texts of any kind and so tell nothing about a label."""

from __future__ import annotations

_GRAMMAR = """
a an the this that these those i you he she it we they me him her us them my your his its our their
mine yours myself yourself somebody someone something anything anyone everything everyone nobody is
are was were be been being am do does did doing done have has had having will would shall should can
could may might must and or but if then than so as of at by for from in into on onto to with about
above after before below over under again further there here when where which who whom whose what
why how all any both each few more most less least other another some such only own same too very
just also because while since until unless during between through within along across up down out
off still even ever yet already soon later once twice really quite rather almost much many several
lot lots bit well like though although however instead anyway maybe perhaps ive im id ill youre
youve its dont didnt doesnt cant couldnt wont wouldnt isnt wasnt arent werent havent hasnt hadnt
shouldnt theyre weve thats whats theres ur u
"""
_EVERYDAY = """
please thanks thank hi hello dear hey regards best kind kindly sincerely greetings sorry good
morning evening afternoon day days today tomorrow yesterday tonight time times week weeks month
months year years hour hours minute minutes ago monday tuesday wednesday thursday friday saturday
sunday january february march april may june july august september october november december spring
summer autumn winter one two three four five six seven eight nine ten first second third last next
new old big small long short little whole full half get gets got getting go goes going gone went
come comes coming came take takes taking took make makes making made maker give gives giving gave
given put puts use uses used using want wants wanted need needs needed know knows knew known think
thinks thought say says said tell tells told ask asks asked see sees saw seen look looks looked
looking let lets try tries tried trying find finds found keep keeps kept leave leaves left seem
seems seemed help helps helped happen happens happened start starts started stop stops stopped work
works call calls called write writes written wrote read hear heard show shows showed mean means
meant feel feels felt hope hopes believe understand way ways thing things people person man woman
friend husband wife mother father son daughter end part place side house home hand hands question
questions answer reason reasons example page site website info information issue issues problem
problems matter case right wrong sure able possible really actually currently now never always often
sometimes back away around together enough else different such nice bad better
"""

COMMON = frozenset((_GRAMMAR + _EVERYDAY).split())
