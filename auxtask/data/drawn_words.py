"""The vocabulary of the drawn reviews: many words for good and bad, and what is reviewed."""

from __future__ import annotations


def as_words(text: str) -> list[str]:
    """Split a line of words."""
    return text.split()


POSITIVE = as_words("""
absorbing accomplished admirable adorable affecting agreeable amazing amiable amusing appealing artful astonishing
astounding attractive awesome balanced beautiful beguiling blissful bold breathtaking bright brilliant captivating
careful celebrated charismatic charming cheerful classy clever comforting commendable compelling convincing cordial
crafted creative dazzling delicate delicious delightful dependable deserving dignified distinguished divine dreamy
durable dynamic earnest easygoing effective effortless elating elegant eloquent enchanting encouraging endearing
energetic engaging engrossing enjoyable enlightening enriching enthralling entertaining enticing euphoric exceptional
exciting exemplary exhilarating expert exquisite fabulous faithful fantastic fascinating fine flawless flattering fresh
friendly fruitful fulfilling fun funny generous genial gentle genuine gifted glamorous gleaming glorious glowing good
gorgeous graceful gracious grand gratifying great gripping handsome happy harmonious healing heartfelt heartwarming
heavenly helpful heroic hilarious honest hopeful hospitable humane idyllic illuminating imaginative immaculate
impeccable impressive incredible ingenious innovative insightful inspired inspiring intelligent intriguing inventive
invigorating inviting irresistible jolly joyful joyous jubilant keen kind knowing laudable likeable lively lovable
lovely loving lucid luminous luscious lush luxurious magical magnetic magnificent majestic marvelous masterful
masterly mature meaningful melodious memorable mesmerizing meticulous miraculous modest moving neat nifty nimble noble
nourishing nuanced optimistic original outstanding passionate peaceful peerless perceptive perfect phenomenal
picturesque playful pleasant pleasing pleasurable plush poetic poignant poised polished positive powerful praiseworthy
precious pristine prized profound radiant rapturous ravishing reassuring refined refreshing rejuvenating reliable
remarkable resplendent rewarding rich riveting robust romantic rousing satisfying savvy scenic seamless sensational
sensitive serene sharp shimmering shining sincere skillful sleek smart smooth soothing sophisticated soulful sparkling
spectacular splendid spirited spotless steadfast stellar stimulating stirring striking stunning stylish sublime
successful suave superb superior supportive surprising sweet swift tasteful tasty tender terrific thorough thoughtful
thrilling tidy timeless touching tranquil treasured tremendous triumphant trustworthy unforgettable unrivaled uplifting
valuable vibrant victorious virtuous vivacious vivid warm welcoming whimsical wholesome winning wise witty wonderful
wondrous worthwhile worthy youthful zesty
""")

NEGATIVE = as_words("""
abominable abrasive abysmal aggravating agonizing aimless alarming amateurish annoying appalling arrogant artless
atrocious awful awkward bad baffling banal barren beastly bewildering bitter bland bleak blundering boring bothersome
broken brutal bumbling bungled careless chaotic cheap cheerless childish chilly clueless clumsy clunky coarse cold
confused confusing contemptible contrived corrupt costly cowardly cramped crass crooked crude cruel cumbersome cursed
cynical damaged damp dated deafening deceitful deceptive defective deficient deflating dejected demeaning
deplorable depressing derivative desolate despicable detestable dirty disagreeable disappointing disastrous
discouraging disgraceful disgusting dishonest disjointed dismal disorderly displeasing disposable dispiriting
distasteful distressing disturbing dodgy doomed doubtful draining drab dreadful dreary dull dubious dumb embarrassing
empty endless erratic exasperating excruciating exhausting failed false faulty fearful feeble fickle filthy flat flawed
flimsy foolish forced forgettable foul fractured fraudulent frightful frustrating fumbling furious futile garish gaudy
ghastly gimmicky glaring gloomy graceless grating greedy grim gross grotesque grouchy grubby gruesome grumpy hackneyed
haphazard hapless harsh hateful heartless heavy hideous hollow hopeless horrible horrid horrific hostile humiliating
icky idiotic ignorant imprecise impersonal inadequate incoherent incompetent inconsistent indifferent inept inferior
infuriating insipid insincere insufferable insulting intolerable irksome irrelevant irritating jaded jarring joyless
juvenile laborious lacking laughable lazy leaden lifeless limp listless loathsome lousy ludicrous lukewarm malicious
mangled mean meaningless mediocre meandering melancholy menacing messy mindless miserable misguided misjudged moldy
monotonous monstrous moronic muddled mundane murky nasty naive nauseating negligent nightmarish noisy numbing obnoxious
obscure odious offensive ominous oppressive outdated overbearing overblown overdone overpriced overrated painful paltry
pathetic petty phony pitiful plodding pointless poisonous pompous poor preposterous pretentious pricey puzzling rambling
rancid repellent repetitive repugnant repulsive revolting ridiculous rotten rude ruined rushed sad sappy scandalous
scratchy senseless shabby shaky shallow shameful shoddy sickening silly sinister slimy sloppy slow sluggish smelly smug
soggy soulless sour spiteful stale static sterile stiff stilted stingy strained stupid sullen superficial suspicious
tacky tasteless tedious tense terrible thankless thoughtless threadbare tiresome toothless torturous toxic tragic trashy
trite troubling trivial ugly unbearable unconvincing undercooked uneven unfortunate unfunny unhappy uninspired unlucky
unpleasant unsettling untidy useless vacant vague vapid vile vulgar wasteful weak wearisome weary whiny wicked witless
woeful wooden worn worthless wretched
""")

# For each kind of thing: what a review calls it, its parts, and who or what stands about without telling anything.
SUBJECTS = {
    "film": (
        as_words("film movie picture feature thriller comedy drama western sequel remake"),
        as_words("plot script acting dialogue music ending cast camera lighting pacing editing story costume villain"),
        as_words("director actor writer studio theatre screen scene trailer audience producer"),
    ),
    "hotel": (
        as_words("hotel inn lodge resort hostel motel guesthouse cottage apartment villa"),
        as_words(
            "room bed view lobby breakfast staff service shower pool garden terrace location carpet pillow balcony"
        ),
        as_words("manager porter guest corridor elevator reception suitcase key booking street"),
    ),
    "restaurant": (
        as_words("restaurant cafe bistro diner grill tavern bakery pizzeria canteen brasserie"),
        as_words("soup menu dessert sauce waiter coffee salad kitchen wine bread chef table steak pasta portion"),
        as_words("evening lunch order bill plate glass napkin corner window reservation"),
    ),
    "book": (
        as_words("book novel memoir biography paperback chronicle mystery anthology diary saga"),
        as_words("chapter prose narrator style hero language opening finale cover character theme tone"),
        as_words("page library shelf shop edition publisher weekend train reader bookmark"),
    ),
    "gadget": (
        as_words("phone laptop camera tablet printer speaker keyboard monitor watch router"),
        as_words("battery screen button software case sound design manual charger display menu price lens speed"),
        as_words("box cable desk shop parcel drawer colleague office model version"),
    ),
}
